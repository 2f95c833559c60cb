#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# sh, bash and env: arrays, substitutions, here-documents, subshells by the hundred, traps, pipelines.
. "$(dirname "$0")/common.sh"
cat >"$work/posix.sh" <<'SH'
i=0
while [ $i -lt $((300 / XALLOC_TEST_PART)) ]; do
  text=$(echo "$text$i" | tail -c 400)
  (cd / && : "$text")
  i=$((i + 1))
done
f() { case $1 in *7*) echo "seven in $1" ;; *) echo "$1" | tr 0-9 a-j ;; esac; }
for n in 17 28 39; do f $n; done
trap 'echo left with $?' EXIT
cat <<END
$text ${text#0} ${#text} $(printf '%s-' 1 2 3)
END
exit 5
SH
cat >"$work/bash.sh" <<'SH'
declare -A count
for word in $(seq 1 $((4000 / XALLOC_TEST_PART))); do
  count[${word:0:2}]=$((${count[${word:0:2}]:-0} + word))
  list+=("$word ${word/1/one}")
done
for key in "${!count[@]}"; do echo "$key ${count[$key]}"; done | sort
printf '%s\n' "${list[@]:100:10}" "${#list[@]}"
[[ ${list[*]} =~ (one[0-9]+)\ ([0-9]+) ]] && echo "${BASH_REMATCH[@]:1}"
diff <(printf '%s\n' "${list[@]}" | sort) <(printf '%s\n' "${list[@]}" | sort -r) | sha256sum
for ((i = 0; i < 50; i++)); do (exit $i) & done
wait
mapfile -t lines < <(seq 20000 | rev)
echo "${lines[19999]} ${#lines[@]}"
SH
same sh sh "$work/posix.sh"
same bash bash "$work/bash.sh"
command -v busybox >/dev/null && same busybox busybox sh "$work/posix.sh"
same env env -i A=1 B=2 env
same sort sh -c 'seq $((200000 / XALLOC_TEST_PART)) | sort -R --random-source=/bin/sh | sort -n --parallel=4 | sha256sum'
same awk sh -c 'seq $((100000 / XALLOC_TEST_PART)) | awk "{ a[\$1 % 997] = a[\$1 % 997] substr(\$0, 1, 2) } END { for (i = 0; i < 997; i++) n += length(a[i]); print n, a[5] }"'
