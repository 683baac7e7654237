#!/bin/bash
# Parks CONNECTIONS viewers in one room of one `barrage serve`, in a QEMU guest
# whose limits are its own, publishes a few messages, checks that everybody got
# all of them, and says what a connection costs in memory. It runs under
# emulation, about ten times slower than the machine: this measures memory and
# behaviour, not speed.
#
# usage: [CONNECTIONS=300000] [RATE=0.033] [DURATION=90s] ... loadtest/vm/run.sh
#
# What comes out of the guest is left in OUT: result.json (the load client's
# report and all samples), console.log, and heap.pprof with PROFILE=1.
set -euo pipefail
cd "$(dirname "$0")/../.."

CONNECTIONS=${CONNECTIONS:-300000}
# Messages a second; each is CONNECTIONS deliveries. An emulated machine needs half
# a minute for one: those that overlap pile up in the kernel, at 3 KB a copy.
RATE=${RATE:-0.033}
DURATION=${DURATION:-90s}
IDLE=${IDLE:-30}             # seconds between the last connect and the idle sample
PROFILE=${PROFILE:-0}        # 1: also save the heap profile of the idle server
SERVE_FLAGS=${SERVE_FLAGS:-} # further flags of barrage serve
ACCEL=${ACCEL:-tcg,thread=multi} # or kvm, where there is one
OUT=${OUT:-bin/vm}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/barrage-vm

# Both ends of a connection take about 8 KB of the guest's kernel, and 2 KB more
# while messages wait in sockets. QEMU takes only what the guest touches.
MEMORY_MB=${MEMORY_MB:-$((1500 + CONNECTIONS * 14 / 1000))}
# Boot, idling and messages, and about 1,200 connections a second; three times
# that for a busy machine.
LIMIT=${LIMIT:-$((900 + CONNECTIONS / 400))}

work=$(mktemp -d)
qemu=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
  if [ -n "$qemu" ]; then kill "$qemu" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

die() {
  echo "bench-vm: $*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

have_package() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
  local missing=() p
  for p in qemu-system-x86 busybox-static cpio jq; do
    have_package "$p" || missing+=("$p")
  done
  [ ${#missing[@]} = 0 ] && return
  echo "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# fetch_kernel puts Debian's cloud kernel into the cache: it has the drivers of a
# QEMU guest built in.
fetch_kernel() {
  [ -s "$CACHE/vmlinuz" ] && return
  local package
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
  if [ -z "$package" ]; then
    as_root apt-get update -qq
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
  fi
  [ -n "$package" ] || die "no package linux-image-cloud-amd64: is this Debian on amd64?"
  echo "fetching $package"
  mkdir -p "$CACHE" "$work/kernel"
  # As root apt would drop to a user that may not write here, and warn.
  (cd "$work/kernel" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$package" && dpkg -x ./*.deb .)
  cp "$work"/kernel/boot/vmlinuz-* "$CACHE/vmlinuz.new"
  mv "$CACHE/vmlinuz.new" "$CACHE/vmlinuz" # whole or not at all
}

# pack_guest makes the initramfs: busybox, a static barrage, init and its settings.
pack_guest() {
  local root=$work/root
  mkdir -p "$root"/{bin,dev,proc,sys,tmp}
  cp "$(dpkg -L busybox-static | grep '/bin/busybox$')" "$root/bin/busybox"
  CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -trimpath -o "$root/bin/barrage" ./cmd/barrage
  install -m 755 loadtest/vm/init "$root/init"
  cat >"$root/bench.conf" <<CONF
CONNECTIONS=$CONNECTIONS
RATE=$RATE
DURATION=$DURATION
IDLE=$IDLE
PROFILE=$PROFILE
SERVE_FLAGS="$SERVE_FLAGS"
CONF
  (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/init.gz"
}

# run_guest boots the guest, shows its progress, and returns when it is off.
run_guest() {
  timeout --kill-after=10 "$LIMIT" qemu-system-x86_64 -accel "$ACCEL" -cpu max -smp 2 -m "${MEMORY_MB}M" \
    -display none -monitor none -nic none -serial "file:$OUT/console.log" -no-reboot \
    -kernel "$CACHE/vmlinuz" -initrd "$work/init.gz" \
    -append "console=ttyS0 quiet rdinit=/init panic=-1 mitigations=off" </dev/null &
  qemu=$!
  tail -q -n +1 -F --pid="$qemu" "$OUT/console.log" 2>/dev/null | grep -a --line-buffered '^guest:' &
  local status=0 progress=$!
  wait "$qemu" || status=$?
  qemu=
  wait "$progress" || true
  [ "$status" != 124 ] || die "no end after $LIMIT s (LIMIT); see $OUT/console.log"
}

# section NAME prints what the guest put between markers.
section() {
  tr -d '\r' <"$OUT/console.log" | awk -v name="=== $1" '$0 == "=== end" { on = 0 } on; $0 == name { on = 1 }'
}

collect() {
  section samples >"$work/samples"
  section result.json >"$work/loadtest.json"
  if [ "$PROFILE" = 1 ]; then section heap.b64 | base64 -d >"$OUT/heap.pprof"; fi
  [ -s "$work/samples" ] || die "the guest has measured nothing; see $OUT/console.log"
  [ -s "$work/loadtest.json" ] || echo null >"$work/loadtest.json"
  jq -Rn --argjson connections "$CONNECTIONS" --slurpfile loadtest "$work/loadtest.json" '
    {connections: $connections, loadtest: $loadtest[0],
     samples: (reduce (inputs | split(" ")) as [$phase, $key, $value] ({}; .[$phase][$key] = ($value | tonumber)))}
  ' "$work/samples" >"$OUT/result.json"
}

main() {
  install_packages
  fetch_kernel
  mkdir -p "$OUT"
  rm -f "$OUT/result.json" "$OUT/heap.pprof"
  : >"$OUT/console.log"
  pack_guest
  echo "guest: $CONNECTIONS connections, $MEMORY_MB MB, at most $LIMIT s; console in $OUT/console.log"
  run_guest
  collect
  loadtest/vm/table.sh "$OUT/result.json"
  local status
  status=$(tr -d '\r' <"$OUT/console.log" | awk '$1 == "===" && $2 == "status" { print $3 }')
  exit "${status:-1}"
}

main
