#!/usr/bin/env bash
# Runs docker-compose.yml as it is, kills parts of it and scales it:
# deploy/test/compose.sh
#
# It uses the Docker engine that is there. If none is, root on Debian gets one
# from Debian's packages, which runs for the time of the test in namespaces of
# its own: nothing of the machine's network is touched, and nothing stays.
# Images that cannot be pulled get stand-ins (stand-ins.Dockerfile).
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib.sh

export COMPOSE_PROJECT_NAME=sqlpushgateway-test POSTGRES_PASSWORD=compose-test
debian=bookworm
debian_packages=busybox,ca-certificates,curl,make,nginx-light,postgresql-15,prometheus,prometheus-alertmanager
base=sqlpushgateway-debian # the image that stand-ins are made from

tmp=$(mktemp -d /var/tmp/sqlpushgateway.XXXXXX)
engine=       # the process around an engine of this script's own
inside=()     # how commands get into its network
compose=()    # the command
stand_ins=()  # names of images that were made here
loads=()      # processes that push and scrape
started=      # whether there may be containers

say() { echo "== $SECONDS s: $*"; }

# eventually SECONDS WHAT COMMAND...: waits until the command succeeds.
eventually() {
	local seconds=$1 what=$2
	local deadline=$((SECONDS + seconds))
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || die "not within $seconds s: $what"
		sleep 0.5
	done
	echo "$what"
}

# stop_loads: the loads end after their last request.
stop_loads() {
	touch "$tmp/stop"
	[ "${#loads[@]}" = 0 ] || wait "${loads[@]}" || true
	loads=()
	rm -f "$tmp/stop"
}

cleanup() {
	local status=$?
	trap '' INT TERM
	trap - EXIT
	set +e
	stop_loads
	if [ -n "$started" ]; then
		if [ "$status" != 0 ]; then
			docker ps -a --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"
			timeout 60 "${compose[@]}" logs --no-color --tail=30
		fi
		timeout 180 "${compose[@]}" --profile alerting down -v --remove-orphans >/dev/null 2>&1
	fi
	if [ -n "$engine" ]; then
		stop_engine
	elif [ "${#stand_ins[@]}" != 0 ]; then
		timeout 60 docker rmi "${stand_ins[@]}" >/dev/null
	fi
	rm -rf "$tmp"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- the engine

no_engine() { die "there is no Docker engine for this test: $1"; }

# install_engine puts no service into operation.
install_engine() {
	local packages=() package policy=/usr/sbin/policy-rc.d status=0
	for package in docker.io docker-compose debootstrap iproute2 iptables; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || packages+=("$package")
	done
	[ "${#packages[@]}" != 0 ] || return 0
	if [ -e "$policy" ]; then
		policy=
	else
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	apt_install "${packages[@]}" || status=$?
	[ -z "$policy" ] || rm -f "$policy"
	return "$status"
}

on_debian() { can_apt && grep -qx 'ID=debian' /etc/os-release; }

# start_engine: with the namespaces all processes, mounts, networks and rules of
# the engine end, whatever happens.
start_engine() {
	install_engine || no_engine "its packages cannot be installed"
	mkdir "$tmp/engine"
	unshare --net --mount --pid --fork --kill-child --mount-proc sh -c '
		ip link set lo up
		exec dockerd --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" --host "unix://$1/sock" \
			--bip 10.98.0.1/24 --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "$2"
	' sh "$tmp/engine" "${tmp##*/}" >"$tmp/engine/log" 2>&1 &
	engine=$!
	inside=(nsenter "--net=/proc/$engine/ns/net")
	# The client of the same package, and the builder that needs nothing else.
	unset DOCKER_CONTEXT
	export PATH=/usr/sbin:/usr/bin:$PATH DOCKER_HOST="unix://$tmp/engine/sock" DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0
	local deadline=$((SECONDS + 60))
	until timeout 10 docker info >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$engine" 2>/dev/null; then
			no_engine "dockerd does not start here: $(tail -n 1 "$tmp/engine/log")"
		fi
		sleep 0.5
	done
}

stop_engine() {
	local dockerd
	read -r dockerd <"/proc/$engine/task/$engine/children"
	kill -TERM $dockerd
	for _ in {1..120}; do
		kill -0 "$engine" || break
		sleep 0.5
	done
	kill -KILL "$engine"
	wait "$engine"
	find /sys/fs/cgroup -depth -type d -name "${tmp##*/}" -exec rmdir {} +
} 2>/dev/null

if timeout 10 docker info >/dev/null 2>&1; then
	say "using the Docker engine that is here"
else
	on_debian || no_engine "start one, or run the test as root on Debian"
	start_engine
	say "started a Docker engine of Debian's in namespaces of its own: $(docker version --format '{{.Server.Version}}')"
fi
if docker compose version >/dev/null 2>&1; then
	compose=(docker compose)
elif command -v docker-compose >/dev/null; then
	compose=(docker-compose)
else
	no_engine "docker compose is not installed"
fi
"${compose[@]}" --profile alerting config >"$tmp/config"
say "docker-compose.yml is valid, says ${compose[*]} $("${compose[@]}" version --short)"

# --- images

# make_base imports Debian, which is kept in ./.deps.
make_base() {
	local tar
	tar=.deps/debian-$(echo "$debian $debian_packages" | cksum | cut -d ' ' -f 1).tar
	if [ ! -e "$tar" ]; then
		on_debian || die "images that cannot be pulled are made from Debian packages: that takes root on Debian"
		command -v debootstrap >/dev/null || apt_install debootstrap
		mkdir -p .deps
		say "fetching Debian's packages for the stand-ins"
		# Services that packages start end with the namespace.
		timeout 1200 unshare --mount --pid --fork --kill-child --mount-proc \
			debootstrap --variant=minbase "--include=$debian_packages" "$debian" "$tmp/debian" >"$tmp/debootstrap.log" 2>&1 ||
			{ tail -n 20 "$tmp/debootstrap.log" >&2; die "debootstrap failed"; }
		tar -C "$tmp/debian" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./dev/*' -cf "$tmp/debian.tar" .
		mv "$tmp/debian.tar" "$tar"
		rm -rf "$tmp/debian"
	fi
	docker import "$tar" "$base" >/dev/null
	stand_ins+=("$base")
}

# make_golang IMAGE: this machine's Go and the modules that go.mod names, since
# the build may have no network.
make_golang() {
	local container proxy
	proxy=file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)
	GOMODCACHE=$tmp/modules GOPROXY=$proxy go mod download -modcacherw
	container=$(docker create \
		--env PATH=/usr/local/go/bin:/usr/sbin:/usr/bin --env GOPATH=/go --env GOTOOLCHAIN=local --env GOPROXY=off "$base" bash)
	docker cp -L "$(go env GOROOT)" "$container:/usr/local/go"
	docker cp "$tmp/modules" "$container:/modules"
	docker commit --change 'ENV GOMODCACHE=/modules' "$container" "$1" >/dev/null
	docker rm "$container" >/dev/null
	rm -rf "$tmp/modules"
}

# The stages of stand-ins.Dockerfile, and what is in them.
stand_in_for() {
	case $1 in
	golang:*) echo "golang $(go env GOVERSION) of this machine" ;;
	postgres:*) echo "postgres Debian's postgresql-15" ;;
	nginx:*) echo "nginx Debian's nginx-light" ;;
	prom/prometheus:*) echo "prometheus Debian's prometheus" ;;
	prom/alertmanager:*) echo "alertmanager Debian's prometheus-alertmanager" ;;
	*) die "there is no stand-in for $1" ;;
	esac
}

# get_image IMAGE
get_image() {
	local stage what
	if docker image inspect "$1" >/dev/null 2>&1; then
		echo "$1 is there"
		return
	fi
	# The engine of the script's own has no way out.
	if [ -z "$engine" ] && timeout 600 docker pull -q "$1" 2>/dev/null; then
		return
	fi
	what=$(stand_in_for "$1")
	[ "${#stand_ins[@]}" != 0 ] || make_base
	read -r stage what <<<"$what"
	if [ "$stage" = golang ]; then
		make_golang "$1"
	else
		timeout 300 docker build -q --target "$stage" -t "$1" -f deploy/test/stand-ins.Dockerfile deploy/test >/dev/null
		what+=" $(docker run --rm --network none --entrypoint dpkg-query "$1" -W -f '${Version}' "${what#Debian\'s }")"
	fi
	stand_ins+=("$1")
	echo "$1 cannot be pulled: $what stands in for it"
}

for image in $({
	sed -n 's/^FROM \([^ ]*\).*/\1/p' Dockerfile | grep -vx scratch
	sed -n 's/^ *image: *//p' "$tmp/config" | grep -vx sqlpushgateway
} | sort -u); do
	get_image "$image"
done

say "building the gateway"
timeout 900 "${compose[@]}" build >"$tmp/build.log" 2>&1 || { tail -n 40 "$tmp/build.log" >&2; die "the build failed"; }
docker image inspect -f 'sqlpushgateway has {{.Size}} bytes and runs as {{.Config.User}}' sqlpushgateway

# --- the stack

# containers SERVICE [FILTER]: the ids of those that run.
containers() {
	docker ps -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
		--filter "label=com.docker.compose.service=$1" ${2:+--filter "$2"}
}
healthy() { [ "$(containers "$1" health=healthy | wc -l)" = "$2" ]; } # SERVICE COUNT

request() { "${inside[@]}" curl -sS --max-time 40 "$@"; }
code() { request -o /dev/null -w '%{http_code}' "$@" || true; }
answers() { [ "$(code "${@:2}")" = "$1" ]; } # CODE CURL-ARGUMENT...
published() { echo "http://$("${compose[@]}" --profile alerting port "$1" "$2" | sed 's/^0\.0\.0\.0/127.0.0.1/')"; } # SERVICE PORT
scrape() { request --fail "$gateway/metrics"; }
value() { # EXPRESSION, which has one value
	request --fail -G "$prometheus/api/v1/query" --data-urlencode "query=$1" | sed -n 's/.*"value":\[[^,]*,"\([^"]*\)"\].*/\1/p'
}
is() { [ "$(value "$2")" = "$1" ]; } # VALUE EXPRESSION

say "starting the stack"
started=yes
timeout 300 "${compose[@]}" up -d >"$tmp/up.log" 2>&1 || { cat "$tmp/up.log" >&2; die "docker-compose up failed"; }
eventually 180 "PostgreSQL is healthy" healthy postgres 1
eventually 180 "three gateways are healthy" healthy gateway 3
eventually 180 "nginx is healthy" healthy nginx 1
eventually 180 "Prometheus is healthy" healthy prometheus 1
gateway=$(published nginx 9091)
prometheus=$(published prometheus 9090)

say "pushing and scraping through nginx"
push() { # CODE METHOD PATH BODY
	answers "$1" -X "$2" --data-binary "$4"$'\n' "$gateway$3" || die "$2 $3 is not answered with $1"
}
exposed() { scrape | grep -xF "$1" >/dev/null || die "$gateway/metrics has no $1"; }
push 200 PUT /metrics/job/nightly/instance/db1 'compose_rows 42'
push 200 POST /metrics/job@base64/L3Zhci90bXA 'compose_bytes 7'
exposed 'compose_rows{instance="db1",job="nightly"} 42'
exposed 'compose_bytes{instance="",job="/var/tmp"} 7'
push 202 DELETE /metrics/job@base64/L3Zhci90bXA ''
echo "what was pushed is exposed"
eventually 120 "Prometheus has the pushed series with the pushed job and instance" is 42 'compose_rows{job="nightly",instance="db1"}'
is '' 'count({exported_job!=""})' || die "Prometheus has renamed pushed labels"
eventually 120 "Prometheus finds three gateways" is 3 'count(up{job="sqlpushgateway"} == 1)'
eventually 120 "Prometheus scrapes them through nginx" is 1 'up{job="pushgateway"}'

# load NAME writes a line for each request: push NUMBER CODE, or scrape NUMBER
# CODE. Each push is a group of its own.
load() {
	local n=0
	while [ ! -e "$tmp/stop" ]; do
		n=$((n + 1))
		echo "push $n $(code -X PUT --data-binary "compose_load $n"$'\n' "$gateway/metrics/job/$1/instance/$n" 2>/dev/null)"
		echo "scrape $n $(code "$gateway/metrics" 2>/dev/null)"
	done >"$tmp/load.$1"
}
start_loads() { # NAME...
	local name
	for name in "$@"; do
		load "$name" &
		loads+=($!)
	done
}
# answered WHAT CODE LOAD...: how many pushes or scrapes have got this code.
answered() { cat "${@/#/$tmp/load.}" 2>/dev/null | grep -c "^$1 [0-9]* $2\$" || true; }
reaches() { [ "$(answered "${@:2}")" -ge "$1" ]; } # COUNT WHAT CODE LOAD...
more() { # WHAT CODE LOAD...: waits until each kind has happened 50 times more
	local so_far
	so_far=$(answered "$@")
	eventually 120 "50 more times: $1 $2" reaches $((so_far + 50)) "$@"
}
only() { # CODES LOAD...: any other answer is an error
	local pattern=$1 files=("${@:2}")
	if cat "${files[@]/#/$tmp/load.}" | grep -Ev " ($pattern)\$" | sort | uniq -c >&2; then
		die "there were other answers than $pattern"
	fi
}
nothing_lost() { # LOAD...: what was acknowledged is exposed
	local name
	scrape >"$tmp/exposed"
	for name in "$@"; do
		sed -n "s/^push \([0-9]*\) 200\$/compose_load{instance=\"\1\",job=\"$name\"} \1/p" "$tmp/load.$name"
	done | sort >"$tmp/acknowledged"
	grep '^compose_load{' "$tmp/exposed" | sort | comm -23 "$tmp/acknowledged" - >"$tmp/lost"
	[ ! -s "$tmp/lost" ] || { cat "$tmp/lost" >&2; die "acknowledged pushes are not exposed"; }
	echo "all $(wc -l <"$tmp/acknowledged") acknowledged pushes are exposed"
}

say "killing a gateway under load"
start_loads gateway-1 gateway-2
more push 200 gateway-1 gateway-2
read -r victim < <(containers gateway)
docker kill "$victim" >/dev/null
eventually 60 "two gateways are left" healthy gateway 2
more push 200 gateway-1 gateway-2
more scrape 200 gateway-1 gateway-2
docker start "$victim" >/dev/null
eventually 120 "three gateways are healthy" healthy gateway 3
more push 200 gateway-1 gateway-2
stop_loads
only 200 gateway-1 gateway-2
nothing_lost gateway-1 gateway-2

say "killing PostgreSQL under load"
start_loads postgres-1 postgres-2
more push 200 postgres-1 postgres-2
database=$(containers postgres)
docker kill "$database" >/dev/null
eventually 120 "pushes are answered with 503" reaches 2 push 503 postgres-1 postgres-2
eventually 120 "scrapes are answered with 503" reaches 2 scrape 503 postgres-1 postgres-2
docker start "$database" >/dev/null
eventually 120 "PostgreSQL is healthy" healthy postgres 1
eventually 120 "three gateways are healthy" healthy gateway 3
more push 200 postgres-1 postgres-2
more scrape 200 postgres-1 postgres-2
stop_loads
only '200|503' postgres-1 postgres-2
nothing_lost gateway-1 gateway-2 postgres-1 postgres-2

say "scaling to five under load"
# pushes ADDRESS: how many that gateway has answered.
nginx=$(containers nginx)
pushes() {
	docker exec "$nginx" curl -sS --fail --max-time 10 "http://$1:9091/-/metrics" |
		awk '/^pushgateway_http_push_duration_seconds_count/ {n += $2} END {print n + 0}'
}
addresses() {
	containers gateway | xargs docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
}
all_are_asked() {
	local address
	for address in "${!before[@]}"; do
		[ "$(pushes "$address")" -gt "${before[$address]}" ] || return 1
	done
}
start_loads five-1 five-2
timeout 180 "${compose[@]}" up -d --scale gateway=5 >"$tmp/up.log" 2>&1 || { cat "$tmp/up.log" >&2; die "scaling failed"; }
eventually 120 "five gateways are healthy" healthy gateway 5
docker exec "$nginx" nginx -s reload
declare -A before
for address in $(addresses); do before[$address]=$(pushes "$address"); done
[ "${#before[@]}" = 5 ] || die "there are not five addresses: ${!before[*]}"
eventually 120 "all five get pushes" all_are_asked
eventually 120 "Prometheus finds five gateways" is 5 'count(up{job="sqlpushgateway"} == 1)'
stop_loads
only 200 five-1 five-2
nothing_lost gateway-1 gateway-2 postgres-1 postgres-2 five-1 five-2

say "starting Alertmanager"
timeout 180 "${compose[@]}" --profile alerting up -d --no-recreate alertmanager >"$tmp/up.log" 2>&1 ||
	{ cat "$tmp/up.log" >&2; die "starting Alertmanager failed"; }
eventually 120 "Alertmanager is healthy" healthy alertmanager 1
eventually 60 "it is ready where it is published" answers 200 "$(published alertmanager 9093)/-/ready"
found_by_prometheus() { request --fail "$prometheus/api/v1/alertmanagers" | grep '"activeAlertmanagers":\[{'; }
eventually 120 "Prometheus finds it" found_by_prometheus

say "taking it down"
timeout 300 "${compose[@]}" --profile alerting down -v >"$tmp/down.log" 2>&1 || { cat "$tmp/down.log" >&2; die "docker-compose down failed"; }
label=label=com.docker.compose.project=$COMPOSE_PROJECT_NAME
left=$(docker ps -aq --filter "$label"; docker volume ls -q --filter "$label"; docker network ls -q --filter "$label")
[ -z "$left" ] || die "docker-compose down -v leaves $left"
echo "no container, volume or network is left"
say "passed"
