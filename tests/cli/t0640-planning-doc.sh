# What docs/planning.md shows is what the commands print; lines left out are written "...".
. "${BASH_SOURCE%/*}/lib.sh"

doc=$GANGER_SOURCE_DIR/docs/planning.md
awk '/^```json$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$doc" >flow.json

# Each example: its words, and what should come of them.
awk '/^    \$ ganger / { n++; sub(/^    \$ ganger /, ""); print >("words." n); n_blank = 0; on = 1; next }
     on && /^    / { sub(/^    /, ""); for (; n_blank > 0; n_blank--) print "" >("wanted." n); print >("wanted." n); next }
     on && /^$/ { n_blank++; next }
     { on = 0 }' "$doc"

# compare N: the lines in their order; all of them, unless some were left out.
compare() {
    if ! grep -qx '\.\.\.' "wanted.$1"; then
        diff -u "wanted.$1" out >&2 || fail "example $1 prints something else"
        return
    fi
    grep -vx '\.\.\.' "wanted.$1" | awk 'BEGIN { i = 0 } NR == FNR { wanted[n++] = $0; next }
        $0 == wanted[i] { i++ }
        END { if (i < n) { print "not there, or not in this place: " wanted[i]; exit 1 } }' - out >&2 ||
        fail "example $1 prints something else"
}

n=0
for words in words.*; do
    n=$((n + 1))
    number=${words#words.}
    ! grep -q montage "$words" || continue # not ours to give away
    eval "set -- $(cat "$words")"
    status=0
    timeout -s KILL "$limit" "$GANGER" "$@" >out 2>err || status=$?
    [ $status -le 1 ] || fail "example $number: exit status $status"
    compare "$number"
done
[ $n = 8 ] || fail "$n examples"
