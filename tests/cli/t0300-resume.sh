# --resume runs what is not done, what changed, and what needs that; nothing else.
. "${BASH_SOURCE%/*}/lib.sh"

flow() {
    cat > flow.json <<J
{"tasks": [
  {"id": "a", "command": "echo a >> log"},
  {"id": "b", "after": "a", "command": "echo $1 >> log; test -e go"},
  {"id": "c", "after": "b", "command": "echo c >> log"},
  {"id": "d", "command": "echo d >> log"}
]}
J
}
flow b
g 2 run flow.json -n 1 --resume
g 1 run flow.json -n 1
touch go
g 0 run flow.json -n 1 --resume
sort log > sorted
same sorted "a
b
b
c
d"
says out "2"
g 0 run flow.json -n 1 --resume # all is done: nothing runs
[ "$(wc -l < log)" = 5 ] || fail "something ran again"
flow changed
g 0 run flow.json -n 1 --resume
tail -2 log > last
same last "changed
c"
[ "$(events flow.run run)" = 4 ] || fail "not four epochs"

printf '{"event":"done","task":"d","torn' >> flow.run/journal.jsonl
g 0 run flow.json -n 1 --resume
says err "torn"
[ "$(wc -l < log)" = 7 ] || fail "something ran again after a torn end"
