#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# redis_compat.sh <libjemalloc.so.2 of the compat folder>: Debian's redis-server, which is linked to jemalloc, runs on it by LD_LIBRARY_PATH
# alone. Its questions about memory, its switches, a save under load; the same load gives the same dataset on jemalloc itself. Loopback only.
set -euo pipefail
compat=$(cd "$(dirname "$1")" && pwd)
skip() {
  echo "skipped: $*"
  exit 77
}
command -v redis-server redis-cli redis-benchmark >/dev/null || skip "no redis on this machine"
readelf -dW "$(command -v redis-server)" | grep -q 'NEEDED.*libjemalloc.so.2' || skip "redis-server is not linked to jemalloc"
work=$(mktemp -d)
server=
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
sock=$work/sock
cli() { redis-cli -s "$sock" "$@"; }
fail() {
  echo "$*"
  tail -20 "$work/log"
  exit 1
}
start() {
  LD_LIBRARY_PATH=$1 redis-server --port 0 --unixsocket "$sock" --dir "$work" --save '' --enable-debug-command yes >"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 100); do cli ping >/dev/null 2>&1 && return 0; sleep 0.1; done
  fail "no answer"
}
# has <text> <command...>: reads all of the answer, so that nobody writes into a closed pipe.
has() {
  local answer text=$1
  shift
  answer=$(cli "$@")
  [[ ${answer,,} == *"$text"* ]]
}
wait_for_save() { while has rdb_bgsave_in_progress:1 info persistence; do sleep 0.1; done; }
number() { cli info memory | tr -d '\r' | sed -n "s/^$1://p"; }

# What only a tree that answers can give.
questions() {
  [ "$(number allocator_allocated)" -gt 1000000 ] && [ "$(number allocator_active)" -ge "$(number allocator_allocated)" ] &&
    [ "$(number allocator_resident)" -ge "$(number allocator_active)" ] || fail "info memory: $(cli info memory | grep allocator)"
  has allocated memory malloc-stats || fail "memory malloc-stats"
  [ "$(cli memory purge)" = OK ] || fail "memory purge"
  [ "$(cli config set jemalloc-bg-thread no)" = OK ] && [ "$(cli config set jemalloc-bg-thread yes)" = OK ] || fail "jemalloc-bg-thread"
}

digests=()
answered=
for folder in "" "$compat"; do
  rm -f "$work/dump.rdb"
  start "$folder"
  [ -z "$folder" ] || grep -q "$compat/libjemalloc.so.2" "/proc/$server/maps" || fail "not on the library"
  seq 1 30000 | awk '{printf "SET key:%d %0*d\r\nRPUSH list:%d v%d\r\nHSET hash:%d f%d %d\r\n", $1, $1 % 900 + 1, $1, $1 % 100, $1, $1 % 50, $1, $1 * 3}' |
    cli --pipe >/dev/null
  digests+=("$(cli debug digest)")
  has mem_allocator:jemalloc info memory || fail "mem_allocator"
  has peak.allocated memory stats || fail "memory stats"
  cli memory doctor >/dev/null
  # Where no name is known, Redis takes numbers of its own and runs on.
  if [ -z "$folder" ] || [ "$(cli memory purge 2>&1)" = OK ]; then
    questions
    answered=yes
  else
    answered=
  fi
  redis-benchmark -s "$sock" -q -n 30000 -r 10000 -c 20 -t set,get,lpush,sadd,hset >/dev/null &
  bench=$!
  for _ in 1 2 3; do cli bgsave >/dev/null || true; wait_for_save; cli memory purge >/dev/null; done
  wait "$bench"
  before=$(cli debug digest)
  cli bgsave >/dev/null
  sleep 0.2
  wait_for_save
  has rdb_last_bgsave_status:ok info persistence || fail "bgsave"
  cli debug reload nosave >/dev/null
  [ "$(cli debug digest)" = "$before" ] || fail "the reloaded dataset differs"
  cli shutdown nosave || true
  wait "$server" || fail "it ended with $?"
  server=
  if grep '^xalloc: ' "$work/log"; then exit 1; fi
done
[ "${digests[0]}" = "${digests[1]}" ] || fail "another dataset: ${digests[*]}"
echo "redis on compat/libjemalloc.so.2: same dataset ${digests[0]}"
[ -n "$answered" ] || fail "mallctl answered nothing"
