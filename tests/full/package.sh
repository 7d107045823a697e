#!/bin/sh
# What is installed works from wherever it is put: the .deb (elsewhere than on Debian: the .tar.gz) is made,
# unpacked into a folder, and used from there by a run, by a replay, by CMake and by pkg-config.
set -eu
cd "$(dirname "$0")/../.."
source=$PWD
build=$PWD/build/package
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

fail() { echo "package: $*" >&2; exit 1; }

cmake -S . -B "$build" -DGANGER_TESTS=OFF -DGANGER_BENCH=OFF >/dev/null
cmake --build "$build" --parallel "$(nproc)"
rm -rf "$build/packages" "$build/unpacked" "$build/try"
mkdir -p "$build/unpacked" "$build/try"

if command -v dpkg-deb >/dev/null && command -v dpkg-shlibdeps >/dev/null; then
    cpack --config "$build/CPackConfig.cmake" -G DEB -B "$build/packages" >/dev/null
    deb=$(ls "$build"/packages/*.deb)
    dpkg-deb -x "$deb" "$build/unpacked"
    depends=$(dpkg-deb -f "$deb" Depends)
    for library in libhwloc libjansson libxxhash libc6; do
        case $depends in *$library*) ;; *) fail "the .deb does not depend on $library: $depends" ;; esac
    done
    case $depends in *openmpi-bin* | *mpich*) ;; *) fail "the .deb does not bring mpirun: $depends" ;; esac
    ls "$build"/unpacked/usr/share/man/man1/ganger-run.1.gz "$build"/unpacked/usr/share/doc/ganger/copyright \
        "$build"/unpacked/usr/share/zsh/vendor-completions/_ganger >/dev/null || fail "the .deb is not as Debian wants it"
    if command -v lintian >/dev/null; then
        lintian --fail-on error "$deb" || fail "lintian objects"
    else
        echo "package: lintian is not installed: the .deb was not checked by it"
    fi
else
    echo "package: no dpkg-deb and dpkg-shlibdeps here: NO .deb was made, the .tar.gz is tested instead"
    cpack --config "$build/CPackConfig.cmake" -G TGZ -B "$build/packages" >/dev/null
    tar -xzf "$build"/packages/*.tar.gz --strip-components=1 -C "$build/unpacked"
    mkdir -p "$build/unpacked/usr"
    (cd "$build/unpacked" && for part in bin lib lib64 libexec share; do [ ! -e $part ] || mv $part usr/; done)
fi

# The folder is moved, and nothing of the build is beside it.
mv "$build/unpacked/usr" "$build/try/some prefix"
prefix="$build/try/some prefix"
cd "$build/try"
"$prefix/bin/ganger" version | grep -q '^ganger ' || fail "no version"

printf '%s\n' 'echo one > 1' 'echo two > 2' >tasks.txt
timeout -s KILL 120 "$prefix/bin/ganger" run -n 2 tasks.txt || fail "a run ended with $?"
[ "$(cat 1 2 | tr '\n' ' ')" = "one two " ] || fail "the tasks did not run"

# A replay needs the programs of libexec.
cat >trace.json <<'TRACE'
{"name": "trace", "schemaVersion": "1.5", "workflow": {
    "specification": {
        "tasks": [
            {"name": "a", "id": "a", "parents": [], "children": ["b"], "inputFiles": [], "outputFiles": ["f"]},
            {"name": "b", "id": "b", "parents": ["a"], "children": [], "inputFiles": ["f"], "outputFiles": []}],
        "files": [{"id": "f", "sizeInBytes": 1000}]},
    "execution": {"makespanInSeconds": 2, "executedAt": "2026-01-01T00:00:00Z", "tasks": [
        {"id": "a", "runtimeInSeconds": 1}, {"id": "b", "runtimeInSeconds": 1}]}}}
TRACE
timeout -s KILL 120 "$prefix/bin/ganger" run -n 2 --replay 0.1 trace.json || fail "a replay ended with $?"
[ "$(stat -c %s trace.replay/f)" = 1000 ] || fail "the replay made no file of 1000 bytes"

# Other builds find it, with the line that the documentation has.
mkdir user
printf '%s\n' 'cmake_minimum_required(VERSION 3.21)' 'project(user NONE)' >user/CMakeLists.txt
grep '^find_package(ganger ' "$source/docs/install.md" >>user/CMakeLists.txt || fail "docs/install.md has no find_package"
cat >>user/CMakeLists.txt <<'USER'
get_target_property(program ganger::ganger LOCATION)
execute_process(COMMAND "${program}" check "${CMAKE_SOURCE_DIR}/../tasks.txt" COMMAND_ERROR_IS_FATAL ANY)
if(NOT EXISTS "${ganger_DATADIR}/workflow.schema.json")
  message(FATAL_ERROR "no schema in ${ganger_DATADIR}")
endif()
USER
cmake -S user -B user/build -DCMAKE_PREFIX_PATH="$prefix" >/dev/null || fail "find_package"
found=$(PKG_CONFIG_PATH="$prefix/share/pkgconfig" pkg-config --modversion ganger)
[ "ganger $found" = "$("$prefix/bin/ganger" version | cut -d' ' -f1,2)" ] || fail "pkg-config says version $found"

# The examples, as their READMEs say, by CMake and without it.
for example in wordcount julia fit; do
    (
        cp -r "$source/examples/$example" "$example" && cd "$example"
        cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" >/dev/null && cmake --build build >/dev/null
    ) || fail "examples/$example cannot be built by CMake where ganger is installed"
done
echo 'one two two' >words.txt
[ "$(timeout -s KILL 120 wordcount/build/wordcount run --quiet -n 2 -- words.txt | xargs)" = "2 two 1 one" ] ||
    fail "examples/wordcount does not count"
[ -n "$(timeout -s KILL 120 fit/build/fit run --quiet -n 2 | grep '^height 2\.[45].*rounds$')" ] || fail "examples/fit does not fit"
if [ -x julia/build/julia ]; then
    timeout -s KILL 120 julia/build/julia run --quiet --backend thread -- julia.png || fail "examples/julia ended with $?"
    [ "$(head -c 4 julia.png | tail -c 3)" = PNG ] || fail "examples/julia made no picture"
else
    echo "package: libpng is missing: examples/julia was NOT built"
fi
export PKG_CONFIG_PATH="$prefix/share/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
eval "cc -o words wordcount/wordcount.c $(pkg-config --cflags --libs ganger)" || fail "pkg-config does not say how to build"
library=$(find "$prefix" -name libganger.so -exec dirname {} \; | head -n 1)
[ "$(LD_LIBRARY_PATH=$library ./words run --quiet --backend none -- words.txt | xargs)" = "2 two 1 one" ] ||
    fail "what pkg-config says how to build does not run"

# A program with C functions, as somebody who installed it builds one: the first program of docs/functions.md.
mkdir functions
awk '/^```c$/ && !n++ { on = 1; next } /^```$/ { on = 0 } on' "$source/docs/functions.md" >functions/squares.c
cat >functions/CMakeLists.txt <<'USER'
cmake_minimum_required(VERSION 3.21)
project(squares C)
find_package(ganger 0.2 REQUIRED)
add_executable(squares squares.c)
target_link_libraries(squares PRIVATE ganger::libganger)
USER
cmake -S functions -B functions/build -DCMAKE_PREFIX_PATH="$prefix" >/dev/null || fail "find_package in a C project"
cmake --build functions/build >/dev/null || fail "a program that links ganger::libganger"
PKG_CONFIG_PATH="$prefix/share/pkgconfig" pkg-config --cflags --libs ganger | grep -q -- -lganger || fail "pkg-config has no -lganger"
echo '{"tasks": [{"id": "s.{i}", "for": {"i": "1-9"}, "function": "square", "input": 7}]}' >functions/flow.json
timeout -s KILL 120 functions/build/squares run -n 2 functions/flow.json || fail "functions ended with $?"
[ "$(grep -o '"NDk="' flow.run/journal.jsonl | wc -l)" = 9 ] || fail "7 squared is not 49, nine times"

# What the manual names is there.
for file in share/ganger/workflow.schema.json share/ganger/slurm-templates/whole-nodes.sbatch share/ganger/pbs-templates/whole-nodes.pbs \
    share/doc/ganger/install.md share/bash-completion/completions/ganger; do
    [ -e "$prefix/$file" ] || fail "$file is not installed"
done
echo "package: made, unpacked, moved, used"
