# What the manual shows is accepted by `ganger check` as it stands, and so is every workflow of tests/good-workflows.
. "${BASH_SOURCE%/*}/lib.sh"

manual=$GANGER_SOURCE_DIR/docs/workflow-format.md
awk '/^```/ { if (inside) close(file); inside = !inside; file = "example-" (n += inside); next }
     inside { print > file }' "$manual"
n=0
for example in example-*; do
    g 0 check "$example"
    n=$((n + 1))
done
[ $n -ge 13 ] || fail "only $n examples in $manual"

for good in "$GANGER_SOURCE_DIR"/tests/good-workflows/*; do
    g 0 check "$good"
    says out "tasks "
done

# A key that is taken out of one of them and misspelt is noticed.
sed 's/"retries"/"retires"/' "$GANGER_SOURCE_DIR/tests/good-workflows/every-key.json" >misspelt.json
g 2 check misspelt.json
says err 'did you mean "retries"?'

# Files and conditions are edges: one from b's input, one from c's condition.
cat >edges.jsonl <<'EOF'
{"id": "a", "command": "true", "outputs": ["out/x"]}
{"id": "b", "command": "true", "cwd": "out", "inputs": ["x"]}
{"id": "c", "command": "true", "after": {"task": "b", "on": "notok"}}
EOF
g 0 check --json edges.jsonl
says out '"edges": 2'
