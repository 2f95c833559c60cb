#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check.sh <model> <variant...>: the protocol as it is has no error, nor in a variant "right:FLAG" (another order of stores); each
# "wrong:FLAG" has one.
# The search is short, so that compiling it would take most of the time: not optimised, and two at once.
set -euo pipefail
model=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
check() (  # wanted, flag
  mkdir "$work/${2:-as}" && cd "$work/${2:-as}"
  spin -a ${2:+-D$2} "$model" >/dev/null
  gcc -O0 -w -DSAFETY -DNOFAIR -DNOBOUNDCHECK -DMEMLIM=2000 -o pan pan.c
  result=$(./pan -m100000 -w22)
  errors=$(grep -oE 'errors: [0-9]+' <<<"$result" | grep -oE '[0-9]+')
  echo "$1 ${2:-(as it is)}: $errors errors, $(grep -oE '[0-9.e+]+ states, stored' <<<"$result")"
  case $1 in
    right)
      if grep -q 'search not completed\|max search depth too small' <<<"$result"; then
        echo "  the search was not complete"
        return 1
      fi
      [ "$errors" -eq 0 ]
      ;;
    wrong) [ "$errors" -gt 0 ] ;;
  esac
)
failed=0
running=()
for variant in right: "$@"; do
  if [ ${#running[@]} -eq 2 ]; then
    wait "${running[0]}" || failed=1
    running=("${running[1]}")
  fi
  check "${variant%%:*}" "${variant#*:}" &
  running+=($!)
done
for one in "${running[@]}"; do wait "$one" || failed=1; done
exit "$failed"
