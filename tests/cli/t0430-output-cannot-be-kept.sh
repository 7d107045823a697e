# A run whose tasks' output cannot be kept ends with 3, says why, and goes on once that is mended.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [
  {"id": "silent", "command": "true"},
  {"id": "loud", "command": "echo something", "after": "silent", "retries": 1},
  {"id": "next", "command": "echo next", "after": "silent"},
  {"id": "last", "command": "echo last", "after": ["loud", "next"]}
]}
J
mkdir -p flow.run/output/1-n0.out # stands in the way of the file
g 3 run flow.json -n 1
says err "output/1-n0.out"
says err "Is a directory"
says flow.run/journal.jsonl '"output_lost":true,"errno":21'
[ "$(events flow.run start)" -lt 4 ] || fail "it went on without keeping anything"
rmdir flow.run/output/1-n0.out
g 0 run flow.json -n 1 --resume
g 0 verify flow.run
g 0 logs flow.run loud
same out something
