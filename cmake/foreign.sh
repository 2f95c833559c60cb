#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bash cmake/foreign.sh <architecture> <folder> <package>...: Debian packages of another architecture, with all that they depend on,
# unpacked into <folder>/root. The system's packages are not touched: lists, downloads and an empty database lie in <folder>. What is there
# already is not fetched again.
set -euo pipefail
architecture=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
shift 2
[ "$(cat "$folder/unpacked" 2>/dev/null)" != "$*" ] || exit 0
rm -rf "$folder/root" "$folder/unpacked"
mkdir -p "$folder"/{root,lists/partial,cache/archives/partial}
: >"$folder/status"
cat >"$folder/apt.conf" <<END
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Debug::NoLocking "true";
Dir::State "$folder";
Dir::State::Lists "$folder/lists";
Dir::State::status "$folder/status";
Dir::Cache "$folder/cache";
END
export APT_CONFIG=$folder/apt.conf DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --download-only "$@" >/dev/null
for package in "$folder"/cache/archives/*.deb; do dpkg-deb -x "$package" "$folder/root"; done
echo "$*" >"$folder/unpacked"
