# A finished run in which something was not needed is still finished when it is resumed, and proven.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [
  {"id": "solve", "command": ["true"]},
  {"id": "again", "command": ["false"], "after": {"task": "solve", "on": "notok"}},
  {"id": "more", "command": ["false"], "after": "again"}
]}
J
g 0 run flow.json -n 1
g 0 run flow.json -n 1 --resume
[ "$(events flow.run start)" = 1 ] || fail "something ran again"
[ "$(events flow.run not_needed)" = 4 ] || fail "the second epoch does not say what was not needed"
g 0 verify flow.run
says out "every task once"
