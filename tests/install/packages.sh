#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the Debian packages and looks into them: packages.sh BUILD SOURCE VERSION
build=$1
source=$2
version=$3
packages=$build/packages
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
wrong() { echo "FAILED: $*"; failed=1; }

rm -rf "$packages"
(cd "$build" && cpack --config CPackConfig.cmake) > "$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
for package in xvsock:amd64 libxvsock-dev:amd64 xvsock-dkms:all; do
    file=$packages/${package%:*}_${version}_${package#*:}.deb
    [ "$(dpkg-deb -f "$file" Version)" = "$version" ] || wrong "the version of $file"
    dpkg-deb -x "$file" "$scratch/${package%:*}" || wrong "$file"
    dpkg-deb -e "$file" "$scratch/${package%:*}/control"
    gzip -t "$scratch/${package%:*}/usr/share/doc/${package%:*}/changelog.gz" || wrong "no changelog in $file"
    [ -s "$scratch/${package%:*}/usr/share/doc/${package%:*}/copyright" ] || wrong "no copyright in $file"
done
[ "$(find "$packages" -name '*.deb' | wc -l)" = 3 ] || wrong "there are $(ls "$packages")"

# What an operator gets.
cd "$scratch/xvsock" || exit 1
for file in usr/sbin/xvsockd usr/sbin/xvsock-peer usr/bin/xvsock usr/lib/xvsock/xvsock-preload.so etc/xvsock \
    usr/lib/systemd/system/xvsockd.service usr/share/doc/xvsock/policy.example \
    usr/share/bash-completion/completions/xvsock usr/share/man/man8/xvsockd.8.gz usr/share/man/man5/xvsockd.policy.5.gz; do
    [ -e $file ] || wrong "xvsock has no $file"
done
find usr/share/man -type f ! -name '*.gz' | grep . && wrong "pages that are not compressed"
find usr/include usr/src usr/lib -name '*.a' 2> /dev/null | grep . && wrong "of another package"
grep -E '^Exec[A-Za-z]*=' usr/lib/systemd/system/xvsockd.service | grep -vE '=[+]?(/bin/|/usr/sbin/xvsockd$)' &&
    wrong "paths of the unit"
zcat usr/share/man/man5/xvsockd.policy.5.gz | grep -q ' /usr/share/doc/xvsock/policy.example' || wrong "the path of the example"
for library in libc6 libstdc++6 libxenstore4; do
    grep '^Depends:' control/control | grep -qF "$library (" || wrong "it does not depend on $library"
done
[ -e control/conffiles ] && wrong "conffiles, but the policy is the operator's own"
for script in postinst prerm postrm; do
    [ -x control/$script ] || wrong "no $script"
done

# The module's sources are whole.
cd "$scratch/xvsock-dkms/usr/src/xvsock-$version" || exit 1
grep -qx "PACKAGE_VERSION=\"$version\"" dkms.conf || wrong "the version in dkms.conf"
(cd "$source" && git ls-files 'vchan/*.[ch]' 'vsock_transport/*.[ch]' '*/Kbuild' 'vsock_transport/Makefile') | sort > "$scratch/sources"
grep -qx vsock_transport/main.c "$scratch/sources" || wrong "git does not say what the module's sources are"
find vchan vsock_transport -type f | sort | diff "$scratch/sources" - || wrong "which are the module's sources"
while read -r file; do
    cmp "$file" "$source/$file" || wrong "the module's $file"
done < "$scratch/sources"

# Nothing knows where it was built.
grep -rlF -e "$build" -e "$source" "$scratch"/*/usr "$scratch"/*/control && wrong "paths of this machine"
exit $failed
