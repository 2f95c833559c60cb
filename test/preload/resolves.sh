#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# resolves.sh <libjemalloc.so.2 of the compat folder>: programs that packages link to jemalloc start on it by LD_LIBRARY_PATH alone, with
# every symbol bound at once.
set -euo pipefail
compat=$(dirname "$1")
found=0
for command in "redis-server --version" "named -v" "mariadbd --version" "varnishd -V" "ldb --version"; do
  read -ra words <<<"$command"
  path=$(command -v "${words[0]}" || ls "/usr/sbin/${words[0]}" 2>/dev/null) || continue
  readelf -dW "$path" | grep -q 'NEEDED.*libjemalloc.so.2' || continue
  found=$((found + 1))
  out=$(LD_LIBRARY_PATH=$compat LD_BIND_NOW=1 MALLOC_CONF=stats_print:true "$path" "${words[@]:1}" 2>&1) || { echo "${words[0]}: exit $?, $out"; exit 1; }
  grep -q '^xalloc: served this program' <<<"$out" || { echo "${words[0]}: not on the library: $out"; exit 1; }
  echo "${words[0]}: runs"
done
[ "$found" -gt 0 ] || { echo "skipped: no program here is linked to jemalloc"; exit 77; }
