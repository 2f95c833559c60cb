#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# locked.sh <library> <program>: a small program that locks all its memory, now and later, is at most 2 MiB larger than on libc.
set -euo pipefail
plain=$("$2" locked) || { echo "$plain"; exit 77; }
ours=$(LD_PRELOAD=$1 "$2" locked)
echo "resident and locked: $ours KiB, on libc $plain KiB"
[ "$ours" -le $((plain + 2048)) ]
