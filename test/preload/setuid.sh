#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# setuid.sh <library> <source> <static program>: a set-uid program (AT_SECURE) ignores the environment. The program has the library
# inside: a preload would be dropped by the loader already.
. "$(dirname "$0")/common.sh"
[ "$(id -u)" -eq 0 ] || skip "needs root to make a set-uid program"
must setpriv
program=$work/program
cp "$3" "$program"
user="setpriv --reuid=12345 --regid=12345 --clear-groups --"
export MALLOC_CONF=confirm_conf:true,nonsense:1 XALLOC_CONF=stats_print:true
# Without the bit it listens: else the rest would prove nothing.
chmod 755 "$program"
$user "$program" 2>"$work/err" >/dev/null
grep -q '^xalloc: option nonsense:1 is unknown' "$work/err" && grep -q '^xalloc: option confirm_conf:true' "$work/err" && grep -q '^xalloc: served' "$work/err" ||
  { echo "does not read the environment at all:"; cat "$work/err"; exit 1; }
chown 12346 "$program"
chmod 4755 "$program"
[ "$($user "$program" euid 2>/dev/null)" = 12346 ] || skip "this file system knows no set-uid"
$user "$program" >"$work/out" 2>"$work/err"
[ ! -s "$work/err" ] || { echo "a set-uid program read the environment:"; cat "$work/err"; exit 1; }
XALLOC_DEBUG_PAGE_SIZE=65536 $user "$program" >/dev/null
echo "set-uid: the environment is ignored"
