#!/bin/bash
# CONNECTIONS viewers in one room over NODES nodes that share a Redis, all on
# this machine: publishes through the first node, checks that everybody got
# everything, and prints what each node did. Each node keeps below the limit on
# open files of one process; the load client starts as many agents as it needs.
#
# usage: [NODES=5] [CONNECTIONS=95000] [RATE=2] [DURATION=10s] ... loadtest/cluster/run.sh
#
# OUT gets result.json (the load client's report), nodes.tsv and the logs.
# Whatever ends this, everything it has started is stopped.
set -euo pipefail
cd "$(dirname "$0")/../.."

NODES=${NODES:-5}
CONNECTIONS=${CONNECTIONS:-95000}
RATE=${RATE:-2} # messages a second: each is CONNECTIONS deliveries
DURATION=${DURATION:-10s}
HOLD=${HOLD:-5s}
DRAIN=${DRAIN:-120s}
SERVE_FLAGS=${SERVE_FLAGS:-} # further flags of barrage serve
BARRAGE=${BARRAGE:-bin/barrage}
OUT=${OUT:-bin/cluster}

reserve=512 # open files that a node keeps for other things than connections
work=$(mktemp -d)
loader=   # pids
redis=
pids=()   # of the nodes
public=() # their addresses
admin=()

# stop ends what was started: what needs another before that other.
# shellcheck disable=SC2317 # called by the trap
stop() {
  local pid
  for pid in $loader "${pids[@]}" $redis; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

die() {
  echo "bench-cluster: $*" >&2
  exit 1
}

install_packages() {
  command -v redis-server >/dev/null && command -v curl >/dev/null && return
  local sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  # RUNLEVEL keeps the package from starting a Redis of its own.
  $sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server redis-tools curl >/dev/null
}

check_limits() {
  local files each=$(((CONNECTIONS + NODES - 1) / NODES))
  files=$(ulimit -Hn)
  [ "$files" = unlimited ] && return
  [ "$each" -le $((files - reserve)) ] ||
    die "$each connections for each of $NODES nodes, but a process may open $files files: use NODES=$((CONNECTIONS / (files - reserve) + 1))"
}

# retry SECONDS COMMAND... repeats a command until it succeeds.
retry() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

# start_redis tries random ports: Redis cannot be asked for a free one.
start_redis() {
  local try
  for try in $(seq 20); do
    redis_port=$((20000 + (RANDOM * 7 + try) % 12000)) # below the usual range of outgoing ports
    redis-server --bind 127.0.0.1 --port $redis_port --save '' --appendonly no --dir "$work" >"$OUT/redis.log" 2>&1 &
    redis=$!
    if retry 5 redis_answers; then return; fi
    kill $redis 2>/dev/null || true
    wait $redis 2>/dev/null || true
    redis=
  done
  die "no free port for Redis; see $OUT/redis.log"
}

# redis_answers asks whether the server on the port is the process we started.
# shellcheck disable=SC2317 # called by retry
redis_answers() {
  redis-cli -h 127.0.0.1 -p "$redis_port" info server 2>/dev/null | tr -d '\r' | grep -qx "process_id:$redis"
}

# start_nodes starts the nodes on ports that the kernel chooses, which their
# first line tells.
start_nodes() {
  local i line
  for i in $(seq "$NODES"); do
    # shellcheck disable=SC2086 # several flags
    "$BARRAGE" serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --redis "redis://127.0.0.1:$redis_port" \
      --drain-window 0 $SERVE_FLAGS >"$OUT/node$i.out" 2>"$OUT/node$i.log" &
    pids+=($!)
  done
  for i in $(seq "$NODES"); do
    retry 20 grep -q '^barrage ready' "$OUT/node$i.out" || die "node $i does not start; see $OUT/node$i.log"
    line=$(grep '^barrage ready' "$OUT/node$i.out")
    line=${line#*ws on }
    public+=("${line%%,*}")
    line=${line#*admin on }
    admin+=("${line%%,*}")
    retry 20 curl -fs -o /dev/null "http://${admin[i - 1]}/readyz" || die "node $i is not ready; see $OUT/node$i.log"
  done
}

# load becomes the load client over all nodes.
load() {
  local a urls=() metrics=()
  for a in "${public[@]}"; do urls+=(--url "ws://$a"); done
  for a in "${admin[@]}"; do metrics+=("http://$a/metrics"); done
  local IFS=, # of the lists below
  exec "$BARRAGE" loadtest room "${urls[@]}" --publish-url "http://${admin[0]}" --metrics "${metrics[*]}" \
    --preset barrage --connections "$CONNECTIONS" --rate "$RATE" --duration "$DURATION" --hold "$HOLD" \
    --drain "$DRAIN" --pid "${pids[*]}" --json "$OUT/result.json" --assert 'missing==0'
}

# nodes_table says what each node counted, from its metrics.
nodes_table() {
  local i
  for i in $(seq 0 $((NODES - 1))); do
    curl -fs "http://${admin[i]}/metrics" | awk -v node=$((i + 1)) -v peak="$(awk '/^VmHWM:/ { print $2 }' "/proc/${pids[i]}/status")" '
      /^barrage_handshakes_total[{]result="101"/ { up = $2 }
      $1 == "barrage_messages_delivered_total" { delivered = $2 }
      /^barrage_messages_skipped_total/ { skipped += $2 }
      $1 == "barrage_redis_messages_received_total" { received = $2 }
      $1 == "process_cpu_seconds_total" { cpu = $2 }
      END { printf "%d\t%d\t%d\t%d\t%d\t%.1f\t%.1f\n", node, up, received, delivered, skipped, cpu, peak / 1024 }'
  done >"$OUT/nodes.tsv"
  awk -F'\t' '
    function row(a, b, c, d, e, f, g) { printf "%8s %12s %12s %14s %10s %10s %12s\n", a, b, c, d, e, f, g }
    BEGIN { row("node", "connections", "from Redis", "delivered", "skipped", "CPU s", "peak RSS MB") }
    { row($1, $2, $3, $4, $5, $6, $7); up += $2; delivered += $4; skipped += $5; cpu += $6; mb += $7 }
    END { row("all", up, "", sprintf("%d", delivered), skipped, cpu, mb) }' "$OUT/nodes.tsv"
}

main() {
  install_packages
  check_limits
  mkdir -p "$OUT"
  rm -f "$OUT"/*.json "$OUT"/*.tsv "$OUT"/*.log "$OUT"/*.out
  start_redis
  start_nodes
  echo "$NODES nodes, Redis on port $redis_port, $CONNECTIONS connections in one room"
  local status=0
  load & # bash looks after signals while it waits, but not during a command
  loader=$!
  wait $loader || status=$?
  loader=
  nodes_table
  exit $status
}

main
