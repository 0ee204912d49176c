#!/usr/bin/env bash
# Runs the tests of everything that speaks SQL on the oldest and the newest
# supported PostgreSQL, which scripts/deps.sh has put into ./.deps.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

copies=()
trap 'rm -rf "${copies[@]}"' EXIT

for tree in .deps/node_modules/postgres-*/native; do
	[ -x "$tree/bin/postgres" ] || die "no PostgreSQL in $tree: run make deps"
	tree=$PWD/$tree
	version=$(as_nobody "$tree/bin/postgres" --version 2>/dev/null) || {
		# Nobody cannot look into root's home.
		copy=$(mktemp -d /tmp/postgres-XXXXXX)
		copies+=("$copy")
		cp -a "$tree/." "$copy"
		chmod 755 "$copy"
		tree=$copy
		version=$(as_nobody "$tree/bin/postgres" --version)
	}
	echo "== $version"
	env -u TEST_DATABASE_URL PGBIN="$tree/bin" go test -race -shuffle=on -count=1 ./repository ./repository/postgres
done
