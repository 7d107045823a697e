# The program explains itself, and says what it does not know.
. "${BASH_SOURCE%/*}/lib.sh"

g 0 --version
says out "ganger $(sed -n 's/^project(ganger VERSION \([0-9.]*\).*/\1/p' "$GANGER_SOURCE_DIR/CMakeLists.txt")"
g 0 help
for command in run check logs; do
    says out "$command"
    g 0 help $command
    says out "usage: ganger $command"
    g 0 help
done
g 2
g 2 jump
says err '"jump" is no command'
g 2 run
says err "which workflow?"
g 2 run a b
says err "cannot open the workflow a"
g 2 run --colour a
says err "--colour"
g 2 run -n 0 a
says err "whole number from 1"

# What could not be said is an error.
echo true >list.txt
for words in "help" "version" "help run" "check list.txt" "graph list.txt" "topo" "topo --json" "import --help"; do
    status=0
    "$GANGER" $words >/dev/full 2>err || status=$?
    [ $status = 3 ] || fail "$words, to a full disk: exit status $status"
    says err "cannot write to standard output: No space left"
done

g 2 run -n " -18446744073709551615" a
says err "whole number from 1"
g 2 run -n
says err "-n needs a value"
g 2 run -qz a
says err "-z is no option"
g 2 run --quiet=yes a
says err "--quiet=yes has a value, and takes none"
