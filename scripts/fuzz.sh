#!/usr/bin/env bash
# Runs each fuzz target for a while: scripts/fuzz.sh [DURATION]
# It goes on after a failure, and fails in the end.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "== $package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-10s}" "$package" || status=1
	done
done
exit "$status"
