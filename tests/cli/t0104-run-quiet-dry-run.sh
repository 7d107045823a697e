# --dry-run prints the tasks in order and runs nothing; --quiet tells of failures only.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [{"id": "b", "after": "a", "command": ["touch", "b"]}, {"id": "a", "command": "touch a"}]}
J
g 0 run flow.json --dry-run -n 2
grep -v '^#' out > order
same order "a: touch a
b: touch b"
"$GANGER" run flow.json --dry-run >/dev/full 2>err && fail "the order was lost without a word"
says err "cannot write to standard output"
[ ! -e a ] && [ ! -e flow.run ] || fail "something ran"
g 0 run flow.json -n 2 --quiet
same err ""

# What is done is not what would run.
sed -i 's/"touch", "b"/"touch", "c"/' flow.json
g 0 run flow.json --dry-run --resume -n 2
grep -v '^#' out > order
same order "b: touch c"
[ ! -e c ] || fail "something ran"
