#!/bin/sh
# SPDX-License-Identifier: MIT
# All C++ passes the checks of .clang-tidy.
#
# Nearly all the time goes into the headers of Boost, fmt and GoogleTest. So the sources of each target are checked as
# one unit, which includes them all; one by one they would take five times as long. For that, no two sources of a target
# may give the same name to different things of their own.
#
# clang-analyzer-* looks only into the file that it is given, so these checks see each source alone, with a bound on
# how far they follow a function. They pass over the tests, for the time it would take, and over coroutines, which
# clang 14's analyzer does not understand: it reports errors in Asio that are none.
cd "$1" || exit 1
build=$2/clang-tidy

# FOLDER OPTIONS: a compile_commands.json for clang
configure() {
    folder=$build/$1
    shift
    cmake --preset release -B "$folder" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
        -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON "$@" >"$folder.log" 2>&1 || { cat "$folder.log"; exit 1; }
}
mkdir -p "$build"
configure units -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0
configure sources

# OPTIONS; the files come from the standard input
tidy() {
    xargs -P "$(nproc)" -n 1 sh -c '
        found=$(clang-tidy --config-file=.clang-tidy --quiet "$@" 2>&1) && exit
        printf "%s\n" "$found" | grep -v "warnings generated"
        exit 1' sh "$@"
}

failed=0
for file in $(git ls-files '*.cpp'); do
    grep -q "\"file\": \".*/$file\"" "$build/sources/compile_commands.json" ||
        { echo "$file: belongs to no target, and so is not checked"; failed=1; }
done

# The largest first, so that no processor is idle at the end. The units themselves are nothing but #includes of sources;
# a function counts as unused in them when a source before has a better overload.
sed -n 's/^ *"file": "\(.*\.cxx\)".*/\1/p' "$build/units/compile_commands.json" | xargs ls -S |
    tidy -p "$build/units" --checks='-clang-analyzer-*,-bugprone-suspicious-include' \
        --extra-arg=-Wno-unused-function || failed=1
git grep -L co_await -- '*.cpp' ':!tests/' |
    tidy -p "$build/sources" --checks='-*,clang-analyzer-*' \
        --extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=50000 || failed=1
exit $failed
