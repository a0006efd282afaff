#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Install to a folder that the build did not know, and build and run the
# example from there as a user would: pkg-config and CMake, shared and static.
. "$(dirname "$0")/tree.sh"
root=$scratch/root
want='hello from ring three'

cmake --install "$build" --prefix "$root" >"$scratch/log" 2>&1 || {
	cat "$scratch/log"
	bad "cmake --install fails"
	finish
}
for f in bin/vmmstat include/vmmctl.h include/vmmctl_counters.h \
    share/man/man1/vmmstat.1 share/man/man3/vmmctl.3 \
    share/man/man4/vmm.4 share/man/man5/vmmctl_counters.5; do
	test -f "$root/$f" || bad "$f is not installed"
done
libdir=$(dirname "$(find "$root" -name libvmmctl.so)")
PKG_CONFIG_PATH=$libdir/pkgconfig
export PKG_CONFIG_PATH
# Nothing installed may know where it was built.
grep -rlF -e "$build" -e "$source" "$root" --include='*.cmake' \
	--include='*.pc' --include='*.h' --include='*.[1-9]' &&
	bad "the build's paths are in installed files"

flags='-std=gnu11 -Wall -Wextra -Werror'
test -n "$sanitize" && flags="$flags -fsanitize=$sanitize"
# ASan complains of what dlopen'ed or is linked statically; not our subject.

# says NAME PROGRAM: on proc, which is everywhere, and on the best one.
says()
{
	for b in proc best; do
		out=$(VMMCTL_BACKEND=$b LD_LIBRARY_PATH=$libdir "$2" 2>&1)
		test "$out" = "$want" || bad "$1 on $b says: $out"
	done
}

# shellcheck disable=SC2046,SC2086 # words
"$cc" $flags examples/hello.c -o "$scratch/shared" \
	$(pkg-config --cflags --libs vmmctl) &&
	says "shared, pkg-config" "$scratch/shared" || bad "shared, pkg-config"
if [ -z "$sanitize" ]; then
	# shellcheck disable=SC2046,SC2086
	"$cc" $flags -static examples/hello.c -o "$scratch/static" \
		$(pkg-config --static --cflags --libs vmmctl) &&
		says "static, pkg-config" "$scratch/static" ||
		bad "static, pkg-config"
fi

mkdir "$scratch/project"
cp examples/hello.c "$scratch/project"
cat >"$scratch/project/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.18)
project(user LANGUAGES C)
find_package(vmmctl 0.1 REQUIRED)
add_executable(shared hello.c)
target_link_libraries(shared vmmctl::vmmctl)
add_executable(static hello.c)
target_link_libraries(static vmmctl::vmmctl_static)
END
if cmake -S "$scratch/project" -B "$scratch/project/b" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="$flags" \
    -DCMAKE_PREFIX_PATH="$root" >"$scratch/log" 2>&1 &&
    cmake --build "$scratch/project/b" >>"$scratch/log" 2>&1; then
	says "shared, CMake" "$scratch/project/b/shared"
	says "static, CMake" "$scratch/project/b/static"
else
	cat "$scratch/log"
	bad "a project that uses find_package(vmmctl) cannot be built"
fi
finish
