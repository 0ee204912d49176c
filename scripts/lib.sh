# Functions for the other scripts. Source it from bash.

die() {
	echo "error: $*" >&2
	exit 1
}

# The folder with PostgreSQL's server programs: PGBIN, or that of pg_config, or
# the newest one that Debian installed. Fails if there is none.
postgres_bin() {
	local dir
	for dir in "${PGBIN:-}" "$(pg_config --bindir 2>/dev/null)" \
		$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
		if [ -n "$dir" ] && [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
			(cd "$dir" && pwd)
			return
		fi
		[ "$dir" != "${PGBIN:-}" ] || [ -z "$dir" ] || return 1
	done
	return 1
}

# can_apt: whether packages can be installed here without asking anybody.
can_apt() {
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

# apt_install PACKAGE...: no server is started on the machine for them.
apt_install() (
	local conf=/etc/postgresql-common/createcluster.d/sqlpushgateway.conf policy=/usr/sbin/policy-rc.d
	local made=("$conf")
	trap 'rm -f "${made[@]}"' EXIT
	echo "installing: $*"
	mkdir -p "${conf%/*}"
	echo "create_main_cluster = false" >"$conf"
	if [ ! -e "$policy" ]; then
		made+=("$policy")
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq update && apt-get -qq -y --no-install-recommends install "$@" >/dev/null
)

# as_nobody COMMAND...: PostgreSQL refuses to run as root, so root runs it as
# nobody. Other users run it themselves.
as_nobody() {
	local clean=(env -i LC_ALL=C TZ=UTC PATH=/usr/bin:/bin)
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid="$(id -u nobody)" --regid="$(id -g nobody)" --clear-groups "${clean[@]}" "$@"
	else
		"${clean[@]}" "$@"
	fi
}

# give_to_nobody PATH...: the counterpart for files.
give_to_nobody() {
	if [ "$(id -u)" = 0 ]; then
		chown "$(id -u nobody):$(id -g nobody)" "$@"
	fi
}
