#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# git on a generated repository: import, clone, gc with threads, blame, log, fsck. Every object is the same, every check passes.
. "$(dirname "$0")/common.sh"
must git
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' HOME=$work GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
commits=$(part 600)
export commits
awk -v commits="$commits" 'BEGIN {
  for (c = 1; c <= commits; c++) {
    printf "commit refs/heads/main\nmark :%d\ncommitter a <a@b> %d +0000\ndata <<E\ncommit %d\nE\n", c, 1577836800 + c, c
    for (f = 0; f < 3; f++) {
      printf "M 644 inline dir%d/file%d\ndata <<E\n", (c * 7 + f) % 40, (c + f * 13) % 60
      for (l = 0; l < 60; l++) print "line", l, (c * l * 31 + f) % 977
      print "E"
    }
  }
}' >"$work/stream"
cat >"$work/work.sh" <<'SH'
set -e
rm -rf repo clone
git init -q -b main repo
git -C repo fast-import --quiet <stream
git -C repo checkout -q main
git clone -q --no-local repo clone
cd clone
git -c pack.threads=4 -c gc.pruneExpire=now gc -q --aggressive
git -c pack.threads=4 repack -q -a -d -f
git fsck --full --strict
git rev-list --objects --all | sort | sha256sum
git log -p --stat --all | sha256sum
git blame dir7/file1 | sha256sum
git grep -n 'line 5 ' | sha256sum
git diff HEAD~$((commits / 3)) HEAD | sha256sum
git archive HEAD | sha256sum
git checkout -q -b side HEAD~$((commits / 12)) && echo x >new && git add new && git commit -q -m side && git merge -q -m merge main && git rev-parse HEAD
SH
cd "$work"
same git sh work.sh
