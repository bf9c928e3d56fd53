#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fetch.sh SUITE CACHE: puts the xenstored of a Debian suite, with the libraries that it is linked to, into
# CACHE/xenstored-SUITE, and prints that folder. Exit status 77 when it cannot be had: a test is then skipped.
set -eu -o pipefail
suite=$1 cache=$2
declare -A versions=([bookworm]=4.17 [trixie]=4.20)
version=${versions[$suite]}
folder=$cache/xenstored-$suite
packages=(libc6 libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 "libxenmisc$version"
    libxenstore4 libxentoolcore1 libxentoollog1 "xen-utils-$version")

skip() {
    echo "xenstored of Xen $version cannot be had from $suite's archive: $1" >&2
    exit 77
}

mkdir -p "$cache"
exec 9>>"$folder.lock"
flock 9
if [ ! -e "$folder/complete" ]; then
    work=$folder/apt
    rm -rf "$folder"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    # The archive that this machine's own apt uses.
    site=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' |
        sed -n 's/ \(bookworm\|trixie\|forky\|sid\) main$//p' | head -n 1)
    [ -n "$site" ] || skip "apt's sources on this machine name no Debian archive"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main" >"$work/sources.list"
    options=(-q -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
        -o "Dir::State::status=/dev/null" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update >"$folder.log" 2>&1 || skip "see $folder.log"
    (cd "$work" && apt-get "${options[@]}" download "${packages[@]}") >>"$folder.log" 2>&1 || skip "see $folder.log"
    for package in "$work"/*.deb; do
        dpkg-deb --extract "$package" "$folder/root"
    done
    rm -rf "$work"
    touch "$folder/complete"
fi
echo "$folder"
