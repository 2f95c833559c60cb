# SPDX-License-Identifier: MIT
# A report over a log: fields, substrings, counts by key. A small program, as most of a system's are.
{
  key = substr($2, 6, 2) "/" length($4)
  count[key]++
  line = toupper($3) ":" $1 + NR % 7
  if (length(line) > longest[key]) longest[key] = length(line)
  sum += length(line)
}
END {
  n = asorti(count, keys)
  for (i = 1; i <= n; i++) print keys[i], count[keys[i]], longest[keys[i]]
  print sum
}
