#!/usr/bin/env bash
# Makes sure that what the tests need is installed: as root on Debian it
# installs the packages that are missing, elsewhere it says which ones they are.
# Node.js packages go into ./.deps: prom-client, and PostgreSQL's oldest and
# newest supported versions for `make test-matrix`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

# Servers are in folders that are not on everybody's path.
have() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null; }

missing_packages() {
	have gcc || echo gcc libc6-dev # for the race detector
	[ -n "${TEST_DATABASE_URL:-}" ] || postgres_bin >/dev/null || echo postgresql
	have psql || echo postgresql-client
	have pgbouncer || echo pgbouncer
	have nginx || echo nginx
	have haproxy || echo haproxy
	have systemd-analyze || echo systemd
	have prometheus && have promtool || echo prometheus
	have prometheus-alertmanager && have amtool || echo prometheus-alertmanager
	have curl || echo curl ca-certificates
	have sqlite3 || echo sqlite3
	have strace || echo strace
	have prometheus-pushgateway || echo prometheus-pushgateway
	have npm || echo nodejs npm
	/usr/bin/python3 -c 'import prometheus_client' 2>/dev/null || echo python3-prometheus-client
}

packages=$(missing_packages | xargs)
if [ -n "$packages" ]; then
	can_apt || die "the tests need packages that are not there: install (names of Debian) $packages"
	apt_install $packages
fi

case $(uname -m) in
x86_64) arch=x64 ;;
aarch64) arch=arm64 ;;
*) arch= ;;
esac
npm_packages=(prom-client@15.1.3)
if [ -n "$arch" ]; then
	npm_packages+=(
		"postgres-14@npm:@embedded-postgres/linux-$arch@14.23.0-beta.17"
		"postgres-18@npm:@embedded-postgres/linux-$arch@18.4.0-beta.17"
	)
fi
if [ "$(cat .deps/installed 2>/dev/null)" != "${npm_packages[*]}" ]; then
	echo "installing into ./.deps: ${npm_packages[*]}"
	mkdir -p .deps
	npm install --prefix .deps --ignore-scripts --no-audit --no-fund --loglevel=error "${npm_packages[@]}"
	for dir in .deps/node_modules/postgres-*; do
		(cd "$dir" && node scripts/hydrate-symlinks.js) # its install script
	done
	echo "${npm_packages[*]}" >.deps/installed
fi
