# Failures are shown with task, node, status and last lines; what needs them is skipped, the rest runs.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [
  {"id": "bad", "command": "echo last words >&2; exit 3"},
  {"id": "child", "after": "bad", "command": "touch child"},
  {"id": "shot", "command": "kill -SEGV $$"},
  {"id": "missing", "command": ["no-such-program", "-x"]},
  {"id": "nowhere", "cwd": "/no/such/dir", "command": "true"},
  {"id": "good", "command": "touch good"}
]}
J
g 1 run flow.json -n 2
[ -e good ] || fail "good did not run"
[ ! -e child ] || fail "child ran"
for text in bad "exit status 3" "last words" shot SEGV no-such-program /no/such/dir "$(uname -n)"; do
    says err "$text"
done
says out "1 of 6 tasks"
[ "$(events flow.run failed)" = 4 ] || fail "not four failed lines"
[ "$(events flow.run skipped)" = 1 ] || fail "not one skipped line"

rm -rf flow.run
printf '%s\n' 'sleep 0.5; touch slow' 'false' 'touch never' > list.txt
g 1 run list.txt -n 2 --fail-fast
[ -e slow ] || fail "what ran was not let finish"
[ ! -e never ] || fail "something was started after a failure"
