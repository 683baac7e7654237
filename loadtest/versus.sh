#!/bin/bash
# What barrage.v1 costs beside raw connections, on the same server binary and this
# one machine. Each round measures, with a fresh server for each and the order
# turned round in every second round:
#
#   room   ROOM members of one room at RATE/s: deliveries per server CPU-second
#   idle   IDLE connections of one room that rest for HOLD: resident bytes of the
#          server for each. The raw ones are anonymous; each barrage.v1 one is a
#          user of its own, with a token, and joins with presence
#   nodes  two nodes that share a Redis: RATE/s published on one, VIEWERS on the
#          other, from when a message was due to its arrival
#
# usage: [ROUNDS=5] [ROOM=10000] [RATE=100] [DURATION=5s] [IDLE=18000] [HOLD=45s]
#        [VIEWERS=200] [LATENCY=10s] [PARTS='room idle nodes'] loadtest/versus.sh
#
# It takes about 3 minutes a round. LATENCY is the time of publishing of the last
# part. SERVER and CLIENT may be prefixes of the two commands, such as
# SERVER='taskset -c 0' CLIENT='taskset -c 1'. It needs bin/barrage (make build, or
# BARRAGE), jq, curl, and for the last part redis-server. OUT (bin/versus) gets the
# load test's report of each run and the servers' logs. A table of medians (and
# the smallest and largest) is printed at the end. Whatever ends this, everything
# it has started is stopped.
set -euo pipefail
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-5}
ROOM=${ROOM:-10000}
RATE=${RATE:-100}
DURATION=${DURATION:-5s}
IDLE=${IDLE:-18000}
HOLD=${HOLD:-45s}
VIEWERS=${VIEWERS:-200}
LATENCY=${LATENCY:-10s}
PARTS=${PARTS:-room idle nodes}
BARRAGE=${BARRAGE:-bin/barrage}
SERVER=${SERVER:-}
CLIENT=${CLIENT:-}
OUT=${OUT:-bin/versus}

work=$(mktemp -d)
loader=   # pid of the load test
pids=()   # of the servers, what needs another behind it
public=() # addresses of the nodes
admin=()

# shellcheck disable=SC2317 # called by the trap, too
stop() {
  local i
  if [ -n "$loader" ]; then
    kill "$loader" 2>/dev/null || true
    wait "$loader" 2>/dev/null || true
  fi
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
  loader='' pids=() public=() admin=()
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

die() {
  echo "versus: $*" >&2
  exit 1
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

# node NAME FLAG... starts a node on ports that the kernel chooses, which its
# first line tells.
node() {
  local line log=$OUT/$1
  shift
  # shellcheck disable=SC2086 # several words
  $SERVER "$BARRAGE" serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --drain-window 0 "$@" >"$log.out" 2>"$log.log" &
  pids+=("$!")
  retry 20 grep -sq '^barrage ready' "$log.out" || die "a node does not start; see $log.log"
  line=$(grep '^barrage ready' "$log.out")
  line=${line#*ws on }
  public+=("${line%%,*}")
  line=${line#*admin on }
  admin+=("${line%%,*}")
  retry 20 curl -fs -o /dev/null "http://${admin[-1]}/readyz" || die "a node is not ready; see $log.log"
}

# start_redis tries random ports: Redis cannot be asked for a free one.
start_redis() {
  local try pid
  for try in $(seq 20); do
    redis_port=$((20000 + (RANDOM * 7 + try) % 12000)) # below the usual range of outgoing ports
    redis-server --bind 127.0.0.1 --port $redis_port --save '' --appendonly no --dir "$work" >"$OUT/redis.log" 2>&1 &
    pid=$!
    pids+=("$pid")
    if retry 5 redis_answers $pid; then return; fi
    stop
  done
  die "no free port for Redis; see $OUT/redis.log"
}

# redis_answers asks whether the server on the port is the process we started.
# shellcheck disable=SC2317 # called by retry
redis_answers() {
  redis-cli -h 127.0.0.1 -p "$redis_port" info server 2>/dev/null | tr -d '\r' | grep -qx "process_id:$1"
}

# load NAME FLAG... runs the load test against the last node; messages go to the
# first.
load() {
  local name=$1 status=0 list
  shift
  list=$(IFS=,; echo "${pids[*]}")
  # shellcheck disable=SC2086 # several words
  $CLIENT "$BARRAGE" loadtest "$@" --publish-url "http://${admin[0]}" --plain --pid "$list" \
    --assert 'failed==0 && closed==0' --json "$OUT/$name.json" >"$OUT/$name.txt" 2>"$OUT/$name.err" &
  loader=$! # bash looks after signals while it waits, but not during a command
  wait $loader || status=$?
  loader=
  [ $status = 0 ] || die "the load test $name ended with $status; see $OUT/$name.txt and $OUT/$name.err"
  stop
}

preset() { [ "$1" = v1 ] && echo barrage.v1 || echo barrage; }

room() { # KIND ROUND
  node "room-$1-$2"
  load "room-$1-$2" room --preset "$(preset "$1")" --url "ws://${public[0]}" \
    --connections "$ROOM" --rate "$RATE" --duration "$DURATION" --assert 'missing==0'
}

idle() { # KIND ROUND
  if [ "$1" = raw ]; then
    node "idle-$1-$2"
    load "idle-$1-$2" idle --preset barrage --url "ws://${public[0]}" --connections "$IDLE" --hold "$HOLD"
    return
  fi
  head -c 32 /dev/urandom | base64 >"$work/secret"
  BARRAGE_AUTH_SECRET_FILE=$work/secret node "idle-$1-$2"
  load "idle-$1-$2" idle --preset barrage.v1 --url "ws://${public[0]}/ws" --auth-secret-file "$work/secret" \
    --open-text '{"id":1,"cmd":"join","room":"{room}","presence":true}' --connections "$IDLE" --hold "$HOLD"
}

nodes() { # KIND ROUND
  start_redis
  node "nodes-$1-$2-a" --redis "redis://127.0.0.1:$redis_port"
  node "nodes-$1-$2-b" --redis "redis://127.0.0.1:$redis_port"
  load "nodes-$1-$2" room --preset "$(preset "$1")" --url "ws://${public[1]}" \
    --connections "$VIEWERS" --rate "$RATE" --duration "$LATENCY" --assert 'missing==0'
}

# table prints medians over all rounds; differences and ratios are of each round.
table() {
  jq -n -r --arg parts "$PARTS" '
    def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
    def digits($n): pow(10; $n) as $p | . * $p | round / $p | tostring;
    def figure($n): if length == 0 then "not known" else "\(median | digits($n)) (\(min | digits($n)) to \(max | digits($n)))" end;
    def pad($n): . + " " * ([$n - length, 0] | max);
    def line($a; $b; $c; $d): ($a | pad(40)) + ($b | pad(34)) + ($c | pad(34)) + $d;
    def row($part; $title; $n; $versus; get):
      [.[$part + "-raw"][] | get] as $raw | [.[$part + "-v1"][] | get] as $v1 | [$raw, $v1] | transpose |
      line($title; $raw | figure($n); $v1 | figure($n);
        if $versus == "ratio" then "times " + (map(select(.[0] > 0) | .[1] / .[0]) | figure(2))
        else "plus " + (map(.[1] - .[0]) | figure($n)) end);
    reduce inputs as $r ({}; (input_filename | sub(".*/"; "") | sub("-[0-9]+[.]json$"; "")) as $name | .[$name] += [$r]) |
    line("median (smallest to largest)"; "raw"; "barrage.v1"; "barrage.v1 to raw"),
    (if $parts | contains("room") then
      row("room"; "deliveries per server CPU-second"; 0; "ratio"; .server.deliveries_per_cpu_second),
      row("room"; "  latency p50, ms"; 1; "ratio"; .latency_ms.p50),
      row("room"; "  latency p99, ms"; 1; "ratio"; .latency_ms.p99),
      row("room"; "  bytes received per copy"; 0; "ratio"; .messages.bytes_per_second / .messages.per_second) else empty end),
    (if $parts | contains("idle") then
      row("idle"; "resident bytes per idle connection"; 0; "difference"; .server.bytes_per_connection.resident),
      row("idle"; "  kernel bytes, both ends"; 0; "difference"; .server.bytes_per_connection.kernel),
      row("idle"; "  server CPU-seconds to connect all"; 2; "ratio"; .server.connect_cpu_seconds) else empty end),
    (if $parts | contains("nodes") then
      row("nodes"; "two nodes through Redis: p50, ms"; 2; "difference"; .latency_ms.p50),
      row("nodes"; "  p99, ms"; 2; "difference"; .latency_ms.p99),
      row("nodes"; "  publishing behind at worst, ms"; 2; "difference"; .messages.publish_lag_max_ms) else empty end)
  ' "$OUT"/*.json
}

main() {
  local round part kind kinds tools=(jq curl)
  [[ $PARTS != *nodes* ]] || tools+=(redis-server redis-cli)
  for part in "${tools[@]}"; do command -v "$part" >/dev/null || die "$part is not installed"; done
  [ -x "$BARRAGE" ] || die "there is no $BARRAGE: make build"
  mkdir -p "$OUT"
  rm -f "$OUT"/*.{json,txt,err,out,log}
  for round in $(seq "$ROUNDS"); do
    kinds='raw v1'
    [ $((round % 2)) = 1 ] || kinds='v1 raw'
    for part in $PARTS; do
      for kind in $kinds; do
        echo "round $round of $ROUNDS: $part $kind" >&2
        "$part" "$kind" "$round"
      done
    done
  done
  table
}

main
