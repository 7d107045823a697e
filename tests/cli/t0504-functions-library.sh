# The library shows what its headers declare, and nothing else; the headers stand alone in C and in C++; the program of
# docs/functions.md is one, linked either way.
. "${BASH_SOURCE%/*}/lib.sh"
build=${FUNCTIONS%/tests/*}
headers=$GANGER_SOURCE_DIR/runtime
compile() { "${CC:-cc}" ${SANITIZE:+"-fsanitize=$SANITIZE"} "$@"; }

declared=$(grep -ohE 'GANGER_API [^;(]*[( ]' "$headers"/ganger.h "$headers"/ganger_mpi.h | grep -oE 'ganger_[a-z_]+\($' | tr -d '(' | sort -u)
[ "$(echo "$declared" | wc -l)" -gt 20 ] || fail "the headers declare next to nothing: $declared"
nm -D --defined-only "$build/libganger.so" | awk '{ print $3 }' | grep -v '^__[a-z]*san' | sort -u >exported
echo "$declared" | diff - exported >out || fail "the headers (<) and the library (>) differ"

for header in ganger.h ganger_mpi.h; do
    echo "#include \"$header\"" >alone.c
    compile -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$headers" -isystem "$MPI_INCLUDES" alone.c 2>err ||
        fail "$header does not compile alone in C"
    cp alone.c alone.cc
    if command -v "${CXX:-c++}" >/dev/null; then
        "${CXX:-c++}" -std=c++11 -Wall -Wextra -Werror -DOMPI_SKIP_MPICXX -fsyntax-only -I"$headers" \
            -isystem "$MPI_INCLUDES" alone.cc 2>err || fail "$header does not compile alone in C++"
    else
        echo "there is no C++ compiler here: the headers were NOT tried in C++" >&2
    fi
done

awk '/^```c$/ && !n++ { on = 1; next } /^```$/ { on = 0 } on' "$GANGER_SOURCE_DIR/docs/functions.md" >first.c
compile -Wall -Wextra -Werror -o first first.c -I"$headers" -L"$build" -lganger -Wl,-rpath,"$build" 2>err ||
    fail "the program of docs/functions.md does not compile"
echo '{"tasks": [{"id": "s.{i}", "for": {"i": "1-9"}, "function": "square", "input": 7}]}' >flow.json
GANGER=$PWD/first
g 0 run -q -n 2 flow.json
[ "$(grep -o '"NDk="' flow.run/journal.jsonl | wc -l)" = 9 ] || fail "7 squared is not 49, nine times"

cat >several.c <<'SEVERAL'
#include "ganger_mpi.h"
static int f(struct ganger_call *call, MPI_Comm comm) { (void)call; (void)comm; return 0; }
static const struct ganger_mpi_function wide[] = {{"wide", f}, {0, 0}};
int main(int argc, char **argv) { return ganger_mpi_main(argc, argv, 0, argc > 2 ? wide : 0); }
SEVERAL
compile -o several several.c -I"$headers" -isystem "$MPI_INCLUDES" -L"$build" -lganger -Wl,-rpath,"$build" 2>err ||
    fail "a program with ganger_mpi.h does not compile"
GANGER=$PWD/several
g 0 version
g 2 check flow.json
says err 'the function "wide" wants a communicator'
