#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# heaptrack.sh <subject linked with the library>: heaptrack records it and names who leaks.
set -euo pipefail
command -v heaptrack >/dev/null || { echo "skipped: no heaptrack"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
heaptrack -o record "$1" leak >log 2>&1 || { cat log; exit 1; }
grep -q '^worked' log || { cat log; exit 1; }
heaptrack_print -f "$(ls record*)" -l 1 >report 2>&1 || { cat report; exit 1; }
grep -q 'leaky_function' report || { echo "the leak is not in the report"; head -60 report; exit 1; }
calls=$(grep -oE 'calls to allocation functions: [0-9]+' report | grep -oE '[0-9]+')
[ "$calls" -gt 100 ] || { echo "$calls calls recorded"; exit 1; }
echo "heaptrack recorded $calls calls and names the leak"
