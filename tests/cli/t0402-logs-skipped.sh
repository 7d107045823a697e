# `ganger logs` names all failures for which a task was skipped, those that came after it was, too.
. "${BASH_SOURCE%/*}/lib.sh"

cat >flow.json <<'J'
{"tasks": [
  {"id": "soon", "command": "exit 1"},
  {"id": "late.{i}", "for": {"i": "1-3"}, "command": "sleep 0.3; [ {i} = 2 ]"},
  {"id": "may", "command": "exit 1", "may_fail": true},
  {"id": "child", "command": "true", "after": ["soon", "late.*", "may"]},
  {"id": "grandchild", "command": "true", "after": "child"}]}
J
g 1 run flow.json -n 2
[ "$(events flow.run skipped)" = 2 ] || fail "each is skipped once"
g 0 logs flow.run grandchild
says err 'task "grandchild" was skipped because of "soon", "late.1" and "late.3": it wrote nothing'
g 0 logs flow.run child
says err 'because of "soon", "late.1" and "late.3"'
rm flow.json
g 0 logs flow.run child
says err 'task "child" was skipped: it wrote nothing'
