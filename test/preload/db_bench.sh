#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# RocksDB's db_bench with jemalloc's names in reach: a small database is filled by several threads, read back, checked and scanned.
. "$(dirname "$0")/common.sh"
must db_bench
must ldb
run() {
  LD_PRELOAD=$library db_bench --db="$work/db" --num=50000 --threads=4 --value_size=200 --write_buffer_size=1048576 --cache_size=4194304 \
    --compression_type=none --verify_checksum=1 --seed=7 "$@" >"$work/out" 2>&1 || { tail -20 "$work/out"; exit 1; }
  if grep -a '^xalloc: ' "$work/out"; then exit 1; fi
}
run --benchmarks=fillrandom,overwrite,compact
run --benchmarks=readrandom,multireadrandom,readseq,seekrandom --use_existing_db=1 --reads=20000
grep -E '^(readrandom|readseq)' "$work/out"
# Each thread looks up 20000 keys, of which the four have written nearly all.
found=$(sed -n 's/^readrandom.*(\([0-9]*\) of 20000 found).*/\1/p' "$work/out")
[ "${found:-0}" -gt 15000 ] || { echo "found ${found:-nothing}"; exit 1; }
plain=$(ldb --db="$work/db" scan --hex | md5sum)
ours=$(LD_PRELOAD=$library ldb --db="$work/db" scan --hex | md5sum)
[ "$plain" = "$ours" ] || { echo "another content"; exit 1; }
echo "db_bench: $found of 20000 found, same content with and without"
