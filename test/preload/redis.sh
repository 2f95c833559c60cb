#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# redis-server under redis-benchmark with background saves (fork with copy-on-write): the dataset loaded from its dump is the
# one it had, and a fixed load gives the same dataset as without the library. Loopback only.
. "$(dirname "$0")/common.sh"
server=
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
sock="$work/sock"
# Debian's jemalloc, linked into all of them, dies where an emulator shows pages of 64 KiB: without the library they see the machine's.
without() { env -u QEMU_PAGESIZE "$@"; }
cli() { without redis-cli -s "$sock" "$@"; }
start() {
  local as=(-u QEMU_PAGESIZE)
  [ -z "$1" ] || as=(LD_PRELOAD="$1")
  env "${as[@]}" redis-server --port 0 --unixsocket "$sock" --dir "$work" --save '' --enable-debug-command yes >"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 100); do cli ping >/dev/null 2>&1 && return 0; sleep 0.1; done
  cat "$work/log"
  exit 1
}
finish() {
  cli shutdown nosave || true
  wait "$server"
  server=
}
wait_for_save() { while cli info persistence | grep -q 'rdb_bgsave_in_progress:1'; do sleep 0.1; done; }

digests=()
for preload in "" "$library"; do
  rm -f "$work/dump.rdb"
  start "$preload"
  # The same dataset each time.
  seq 1 "$(part 30000)" | awk '{printf "SET key:%d %0*d\r\nRPUSH list:%d v%d\r\nHSET hash:%d f%d %d\r\n", $1, $1 % 900 + 1, $1, $1 % 100, $1, $1 % 50, $1, $1 * 3}' |
    cli --pipe >/dev/null
  digests+=("$(cli debug digest)")
  # Load with saves in between.
  without redis-benchmark -s "$sock" -q -n "$(part 30000)" -r 10000 -c 20 -t set,get,lpush,sadd,hset >/dev/null &
  bench=$!
  for _ in 1 2 3; do cli bgsave >/dev/null || true; wait_for_save; done
  wait "$bench"
  before=$(cli debug digest)
  cli bgsave >/dev/null
  sleep 0.2
  wait_for_save
  cli info persistence | grep -q 'rdb_last_bgsave_status:ok'
  cli debug reload nosave >/dev/null
  [ "$(cli debug digest)" = "$before" ] || { echo "the reloaded dataset differs"; exit 1; }
  finish
done
[ "${digests[0]}" = "${digests[1]}" ] || { echo "another dataset: ${digests[*]}"; exit 1; }
echo "redis: same dataset ${digests[0]}"
