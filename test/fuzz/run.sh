#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh <target> <seconds> <corpus> [keep]: fuzzes from the corpus in the tree; what is new stays in <keep>, or goes away. An input
# that fails is left in the current folder. Ends with the number of executions: none at all is a failure, too.
set -euo pipefail
target=$1 seconds=$2 corpus=$3
log=$(mktemp)
new=${4:-$(mktemp -d)}
trap 'rm -rf "$log"; [ $# -ge 4 ] || rm -rf "$new"' EXIT
code=0
# The option parser says much on stderr; the fuzzer keeps its own copy of that descriptor.
mask=0
case $target in *options) mask=2 ;; esac
"$target" "$new" "$corpus" -max_total_time="$seconds" -max_len=1024 -len_control=20 -rss_limit_mb=4096 -timeout=30 -print_final_stats=1 -close_fd_mask=$mask -verbosity=1 >"$log" 2>&1 || code=$?
if [ "$code" -ne 0 ] || ! grep -qE '^stat::number_of_executed_units: +[1-9][0-9]{2,}' "$log"; then
  echo "exit $code"
  tail -60 "$log"
  exit 1
fi
grep -E '^stat::(number_of_executed_units|average_exec_per_sec|new_units_added|peak_rss_mb)' "$log"
grep -E 'cov: ' "$log" | tail -1
