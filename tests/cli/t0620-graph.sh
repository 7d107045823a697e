# `ganger graph` draws tasks or programs, as DOT that keeps its quotes and as a tree that keeps within bounds.
. "${BASH_SOURCE%/*}/lib.sh"

# Is it DOT? Strings are taken out first, as Graphviz reads them; what is left is of few forms.
is_dot() {
    sed -E 's/"([^"\\]|\\.)*"/Q/g' "$1" | grep -vE \
        -e '^digraph Q \{$' -e '^  node \[shape=box\];$' -e '^\}$' -e '^  v[0-9]+ \[label=Q(, penwidth=2)?\];$' \
        -e '^  v[0-9]+ \[shape=point\];$' -e '^  v[0-9]+ -> v[0-9]+( \[(style=dashed, )?label=Q\])?;$' >strange
    [ ! -s strange ] || { cat strange >&2; fail "$1 is no DOT that we write"; }
    head -1 "$1" | grep -q '^digraph' && [ "$(tail -1 "$1")" = '}' ] || fail "$1 is not whole"
}

cat >flow.json <<'J'
{"tasks": [
  {"id": "get", "command": "true"},
  {"id": "sim.{i}", "for": {"i": "1-3"}, "command": "true", "after": "get"},
  {"id": "post.{i}", "for": {"i": "1-2"}, "command": "true", "after": "sim.*"},
  {"id": "mail \"a\\b\" <&amp;> é", "command": "true", "after": [{"task": "post.*", "on": "any"}]},
  {"id": "mend", "command": "true", "after": {"task": "get", "on": "notok"}}]}
J
g 0 graph flow.json
is_dot out
says out 'v6 [label="mail \"a\\b\" <&amp;amp;> é"];'
says out 'v0 -> v7 [style=dashed, label="notok"];'
says out 'v4 -> v6 [style=dashed, label="any"];'
[ "$(grep -c 'shape=point' out)" = 1 ] || fail "three times two should be a point"
cp out first
g 0 graph flow.json --dot
cmp -s out first || fail "not the same twice"

g 0 graph flow.json --tree
same out 'get
├─ sim.1
│  ├─ post.1
│  │  └─ mail "a\b" <&amp;> é [any]
│  └─ post.2
│     └─ mail "a\b" <&amp;> é [any] (again)
├─ sim.2
│  ├─ post.1 (again)
│  └─ post.2 (again)
├─ sim.3
│  ├─ post.1 (again)
│  └─ post.2 (again)
└─ mend [notok]'
g 0 graph flow.json --tree --depth 2 --width 2
same out 'get
├─ sim.1
│  └─ … 2 below
└─ … 3 more'

# One task and what is next to it.
g 0 graph flow.json --tree --task sim.2
same out 'get
└─ sim.2
   ├─ post.1
   └─ post.2'
g 0 graph flow.json --tree --task get --around 2 --width 20
says out post.2
says_not out mail
g 2 graph flow.json --task sim
says err 'there is no task "sim"'
g 2 graph flow.json --around 2
says err "--task ID"
g 2 graph flow.json --dot --tree
g 2 graph flow.json --depth 1001
g 2 graph no-such-file

# Many tasks: programs, unless all are wanted. A hundred times a hundred thousand edges are not written out.
cat >large.json <<'J'
{"tasks": [
  {"id": "a.{i}", "for": {"i": "1-100"}, "command": "true"},
  {"id": "b.{i}", "for": {"i": "1-100000"}, "command": "true", "after": "a.*"},
  {"id": "b.next.{i}", "for": {"i": "1-3"}, "command": "true", "after": "b.{i}"}]}
J
g 0 graph large.json
is_dot out
says out 'v0 -> v1 [label="10000000"];'
says out 'v1 [label="b.{i}\n100000 tasks", penwidth=2];'
says out 'v1 -> v2 [label="3"];'
g 0 graph large.json --tree
same out 'a.{i} (100 tasks)
└─ b.{i} (100000 tasks)
   └─ b.next.{i} (3 tasks)'
g 0 graph large.json --full
is_dot out
[ "$(wc -l <out)" -lt 210000 ] || fail "the join was written out"
g 0 graph large.json --full --tree
[ "$(wc -l <out)" -lt 3000 ] || fail "the tree is too large"
says out "└─ … 99989 more"

# A chain of many is not indented for ever; many tasks without any edge are counted.
{
    echo '{}'
    for i in $(seq 300); do
        printf '{"id":"%d","command":"true"%s}\n' "$i" "$([ "$i" = 1 ] || echo ",\"after\":\"$((i - 1))\"")"
    done
} >chain.jsonl
g 0 graph chain.jsonl --full --tree
[ "$(wc -l <out)" = 13 ] || fail "the chain has $(wc -l <out) lines"
says out "└─ … 1 below"
seq 30 | sed 's/^/true /' >list
g 0 graph list --tree
[ "$(wc -l <out)" = 12 ] || fail "the list has $(wc -l <out) lines"
says out "… 19 more"
