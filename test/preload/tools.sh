#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The command-line tools of the base packages, some 300 where they are installed, or every n-th of them ($3): each says its version with
# the library as without.
. "$(dirname "$0")/common.sh"
packages="coreutils findutils diffutils grep sed mawk gawk tar gzip bzip2 xz-utils binutils util-linux bsdutils procps debianutils dpkg perl-base
  git make cmake ninja-build gdb strace sqlite3 redis-tools python3-minimal gcc g++ cpp ncurses-bin hostname file less curl wget openssl zstd"
for package in $packages; do dpkg -L "$package" 2>/dev/null || true; done | grep -E '^(/usr)?/bin/' | sed 's|.*/||' | sort -u | awk -v n="${3:-1}" 'NR % n == 0' >"$work/names"
count=0
said=""
while read -r tool; do
  path=$(command -v "$tool") || continue
  [ -x "$path" ] && ! grep -qE '^(gcore|su|login|yes|reset|tset|clear)$' <<<"$tool" || continue
  plain=0
  ours=0
  timeout 10 "$path" --version </dev/null >"$work/plain" 2>&1 || plain=$?
  LD_PRELOAD=$library timeout 10 "$path" --version </dev/null >"$work/ours" 2>&1 || ours=$?
  count=$((count + 1))
  # What has no such option may print the time, or its own process.
  if [ "$plain" -ne "$ours" ] || { [ "$plain" -eq 0 ] && ! cmp -s "$work/plain" "$work/ours"; } || grep -q '^xalloc: ' "$work/ours"; then
    said+="$tool: exit $ours instead of $plain"$'\n'"$(diff "$work/plain" "$work/ours" | head -5)"$'\n'
  fi
done <"$work/names"
[ -z "$said" ] || { echo "$said"; exit 1; }
[ "$count" -ge $((100 / ${3:-1})) ] || { echo "only $count tools found"; exit 1; }
echo "$count tools"
