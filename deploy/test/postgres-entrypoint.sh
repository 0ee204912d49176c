#!/bin/bash
# What the entrypoint of the image postgres does at the first start, as far as
# docker-compose.yml needs it.
set -euo pipefail

if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
	: "${POSTGRES_PASSWORD:?has to be set}"
	user=${POSTGRES_USER:-postgres}
	mkdir -p -m 700 "$PGDATA"
	initdb -D "$PGDATA" --username="$user" --pwfile=<(echo "$POSTGRES_PASSWORD") ${POSTGRES_INITDB_ARGS:-}
	echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
	pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=" start
	[ "${POSTGRES_DB:-$user}" = postgres ] || createdb -U "$user" "${POSTGRES_DB:-$user}"
	pg_ctl -D "$PGDATA" -w -m fast stop
fi
exec "$@"
