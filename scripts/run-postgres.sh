#!/usr/bin/env bash
# Runs a gateway on a private PostgreSQL that keeps its data in ./data-postgres
# and stops with the gateway: scripts/run-postgres.sh GATEWAY [FLAG...]
#
# DATA names another folder for the data, PGBIN that with PostgreSQL's programs.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

DATA=${DATA:-data-postgres}

if ! bin=$(postgres_bin); then
	[ -z "${PGBIN:-}" ] || die "PGBIN=$PGBIN has no initdb and postgres: set it to the folder with PostgreSQL's programs"
	can_apt || die "no PostgreSQL found: install it (Debian: apt-get install postgresql), or set PGBIN to the folder with its programs"
	apt_install postgresql
	bin=$(postgres_bin)
fi

# A checkout in root's home cannot be seen by nobody: the data then lies
# elsewhere, and the folder is a link to it.
if [ ! -e "$DATA" ]; then
	mkdir -p -m 700 "$DATA"
	give_to_nobody "$DATA"
	if ! as_nobody test -w "$(realpath "$DATA")"; then
		rmdir "$DATA"
		elsewhere=$(mktemp -d /var/lib/sqlpushgateway.XXXXXX)
		give_to_nobody "$elsewhere"
		ln -s "$elsewhere" "$DATA"
		echo "PostgreSQL runs as nobody, who cannot reach $PWD: $DATA is a link to $elsewhere"
	fi
fi
data=$(realpath "$DATA")
as_nobody test -w "$data" || die "$data belongs to $(stat -c %U "$data"): run as that user, or remove it to start anew"

exec 9>"$data/lock"
flock -n 9 || die "$data is in use: another make run-postgres has to be stopped first"

# Nobody may not be allowed into the current folder, hence /. Only this script
# holds the lock.
pg() { (cd / && as_nobody "$@" 9>&-); }
pg_ctl() { pg "$bin/pg_ctl" -D "$data/postgres" -s -w -t 60 "$@"; }
running() { pg_ctl status >/dev/null 2>&1; }

socket=$(mktemp -d /tmp/sqlpushgateway.XXXXXX) # a socket's path must be short
give_to_nobody "$socket"
stop_postgres() {
	if running; then pg_ctl -m fast stop; fi
	rm -rf "$socket"
}
trap stop_postgres EXIT

if [ ! -e "$data/postgres" ]; then
	echo "making a PostgreSQL database in $data"
	rm -rf "$data/postgres.new"
	pg "$bin/initdb" -D "$data/postgres.new" -U postgres -A trust -E UTF8 --locale=C --no-instructions >"$data/initdb.log" 2>&1 ||
		die "initdb failed: see $data/initdb.log"
	mv "$data/postgres.new" "$data/postgres" # only a finished one is used
fi
made_by=$(cat "$data/postgres/PG_VERSION")
case $("$bin/postgres" --version) in
*" $made_by."*) ;;
*) die "$data was made by PostgreSQL $made_by, but $bin has another version: set PGBIN to the folder of version $made_by" ;;
esac
if running; then pg_ctl -m fast stop; fi # left by a run that was killed
pg_ctl -l "$data/postgres.log" -o "-c listen_addresses= -c unix_socket_directories=$socket" start ||
	die "PostgreSQL does not start: see $data/postgres.log"

export DATABASE_URL="postgres://postgres@/postgres?host=$socket"
echo "PostgreSQL keeps its data in $data; look into it with: psql '$DATABASE_URL'"

# In a process group of its own the gateway gets one signal, from here, and not
# a second one from the terminal's ^C.
set -m
"$@" 9>&- &
gateway=$!
set +m
trap 'kill -TERM "$gateway" 2>/dev/null' INT TERM HUP
status=0
wait "$gateway" || status=$?
while kill -0 "$gateway" 2>/dev/null; do # a signal ended the wait, not the gateway
	status=0
	wait "$gateway" || status=$?
done
exit "$status"
