#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# named_compat.sh <libjemalloc.so.2 of the compat folder>: bind9's named, which is linked to jemalloc and allocates through mallocx and its kin,
# serves a zone on a high port of the loopback: 4000 names asked for by several clients at once, a reload, a clean end.
set -euo pipefail
compat=$(cd "$(dirname "$1")" && pwd)
skip() {
  echo "skipped: $*"
  exit 77
}
named=$(command -v named || ls /usr/sbin/named 2>/dev/null) || skip "no named on this machine"
command -v dig >/dev/null || skip "no dig on this machine"
readelf -dW "$named" | grep -c 'NEEDED.*libjemalloc.so.2' >/dev/null || skip "named is not linked to jemalloc"
work=$(mktemp -d)
server=
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
fail() {
  echo "$*"
  tail -20 "$work/log"
  exit 1
}
port=$((20000 + $$ % 20000))
cat >"$work/named.conf" <<CONF
options {
  directory "$work";
  listen-on port $port { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion no;
  pid-file "$work/pid";
  session-keyfile none;
  managed-keys-directory "$work";
};
controls { };
zone "example.test" { type primary; file "zone"; };
CONF
zone() {
  printf '$TTL 60\n@ IN SOA ns.example.test. root.example.test. (%s 60 60 60 60)\n@ IN NS ns.example.test.\nns IN A 127.0.0.1\n' "$1"
  seq 1 4000 | awk '{printf "h%d IN A 10.0.%d.%d\nh%d IN TXT \"text %0*d\"\n", $1, $1 / 250, $1 % 250, $1, $1 % 200 + 1, $1}'
}
ask() { dig @127.0.0.1 -p "$port" +short +time=2 +tries=3 "$@"; }
zone 1 >"$work/zone"
LD_LIBRARY_PATH=$compat "$named" -c "$work/named.conf" -g -n 2 >"$work/log" 2>&1 &
server=$!
for _ in $(seq 100); do [ "$(ask h1.example.test A 2>/dev/null)" = 10.0.0.1 ] && break; sleep 0.1; done
[ "$(ask h1.example.test A)" = 10.0.0.1 ] || fail "no answer"
grep -c "$compat/libjemalloc.so.2" "/proc/$server/maps" >/dev/null || fail "not on the library"
clients=()
for client in 0 1 2 3; do
  seq $((client * 1000 + 1)) $((client * 1000 + 1000)) | awk '{printf "h%d.example.test A\nh%d.example.test TXT\n", $1, $1}' >"$work/ask.$client"
  dig @127.0.0.1 -p "$port" +short +time=2 +tries=3 +keepopen +tcp -f "$work/ask.$client" >"$work/got.$client" &
  clients+=($!)
done
for client in "${clients[@]}"; do wait "$client" || fail "a client failed"; done
cat "$work"/got.[0-3] >"$work/got"
seq 1 4000 | awk '{printf "10.0.%d.%d\n\"text %0*d\"\n", $1 / 250, $1 % 250, $1 % 200 + 1, $1}' >"$work/wanted"
cmp "$work/got" "$work/wanted" || fail "other answers: $(diff "$work/got" "$work/wanted" | head -5)"
zone 2 | sed 's/^h1 IN A .*/h1 IN A 10.9.9.9/' >"$work/zone"
kill -HUP "$server"
for _ in $(seq 100); do [ "$(ask h1.example.test A)" = 10.9.9.9 ] && break; sleep 0.1; done
[ "$(ask h1.example.test A)" = 10.9.9.9 ] || fail "not reloaded"
kill -TERM "$server"
wait "$server" || fail "it ended with $?"
server=
if grep -a 'xalloc: ' "$work/log"; then exit 1; fi
echo "named on compat/libjemalloc.so.2: $(wc -l <"$work/got") answers, a reload, a clean end"
