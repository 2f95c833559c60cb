#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The protocol as it is has no error, with ordered and with reordered stores; each wrong variant has one.
set -euo pipefail
model=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
check() {  # wanted (right|wrong), flags...
  local wanted=$1 result
  shift
  spin -a "$@" "$model" >/dev/null
  gcc -O2 -w -DSAFETY -DMEMLIM=2000 -o pan pan.c
  result=$(./pan -m100000)
  errors=$(grep -oE 'errors: [0-9]+' <<<"$result" | grep -oE '[0-9]+')
  states=$(grep -oE '[0-9.e+]+ states, stored' <<<"$result" || true)
  echo "$wanted ${*:-(as it is)}: $errors errors, $states"
  if grep -q 'search not completed\|max search depth too small' <<<"$result" && [ "$errors" -eq 0 ]; then
    echo "  the search was not complete"
    failed=1
  fi
  case $wanted in
    right) [ "$errors" -eq 0 ] || failed=1 ;;
    wrong) [ "$errors" -gt 0 ] || failed=1 ;;
  esac
}
check right
check right -DWEAK
check wrong -DPLAIN_STORE
check wrong -DNO_BARRIER
check wrong -DNO_RECHECK
exit "$failed"
