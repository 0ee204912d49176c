#!/usr/bin/env bash
# Runs the benchmark: scripts/bench.sh [FLAG...]
#
# It is compared with the Pushgateway that PUSHGATEWAY_BIN names, or with
# Debian's. As root on Debian what is missing is fetched; Pushgateway only into
# ./.deps, since its package would start a server of the machine's own.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

if ! postgres_bin >/dev/null; then
	can_apt || die "no PostgreSQL found: install it (Debian: apt-get install postgresql), or set PGBIN to the folder with its programs"
	apt_install postgresql
fi

fetch_pushgateway() {
	local dir
	can_apt || die "no Pushgateway to compare with: install Debian's package prometheus-pushgateway, or set PUSHGATEWAY_BIN to the program"
	echo "fetching prometheus-pushgateway into ./.deps"
	dir=$(mktemp -d)
	(
		cd "$dir"
		apt-get -qq update
		apt-get -qq -o APT::Sandbox::User=root download prometheus-pushgateway
		dpkg-deb -x ./*.deb pushgateway
	)
	mkdir -p .deps
	rm -rf .deps/pushgateway
	mv "$dir/pushgateway" .deps/pushgateway
	rm -rf "$dir"
}

if [ -z "${PUSHGATEWAY_BIN:-}" ] && ! command -v prometheus-pushgateway >/dev/null; then
	PUSHGATEWAY_BIN=$PWD/.deps/pushgateway/usr/bin/prometheus-pushgateway
	[ -x "$PUSHGATEWAY_BIN" ] || fetch_pushgateway
	export PUSHGATEWAY_BIN
fi
exec go run ./internal/bench "$@"
