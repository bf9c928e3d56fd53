#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the project and builds the programs of docs/asio.md outside of the tree, by CMake's package and by pkg-config.
set -e
source=$1
build=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for part in CMakeLists.txt server.cpp client.cpp hello.cpp; do
    "$source/tests/install/page_part.sh" "$source/docs/asio.md" $part > "$scratch/$part"
done
cmake --install "$build" --prefix "$scratch/prefix" > /dev/null

cmake -S "$scratch" -B "$scratch/build" -DCMAKE_PREFIX_PATH="$scratch/prefix"
cmake --build "$scratch/build"

export PKG_CONFIG_PATH="$(dirname "$(find "$scratch/prefix" -name xvsock-resolver.pc)")"
g++ -std=c++20 -Wall -Wextra -Werror "$scratch/client.cpp" -o "$scratch/client" \
    $(pkg-config --cflags --libs --static xvsock-resolver)
g++ -std=c++20 -Wall -Wextra -Werror "$scratch/hello.cpp" -o "$scratch/hello" \
    $(pkg-config --cflags --libs --static xvsock-vchan)

# Here is nobody whom they could reach, and the client knows why.
for client in "$scratch/build/client" "$scratch/client"; do
    "$client" 5:5000x 2>&1 | grep -q "Service not found"
done

for hello in "$scratch/build/hello" "$scratch/hello"; do
    "$hello" visit 1 2>&1 | grep -q "this system is not a Xen domain"
done

# Nothing that is installed knows where it was built.
! grep -rl --include='*.cmake' --include='*.pc' "$source" "$scratch/prefix"
