# Bad workflows: exit 2, the culprit named, nothing made, the same from `run` and `check`.
. "${BASH_SOURCE%/*}/lib.sh"

refused() { # TEXT...: flow.json is refused with these texts
    for command in "run flow.json -n 2" "check flow.json"; do
        g 2 $command
        for text in "$@"; do
            says err "$text"
        done
        [ ! -e flow.run ] || fail "$command made a run directory"
    done
}
echo '{"tasks": [{"id": "a", "after": "c", "command": "true"}, {"id": "b", "after": "a", "command": "true"}, {"id": "c", "after": "b", "command": "true"}]}' > flow.json
refused "a -> b -> c -> a" flow.json
echo '{"tasks": [{"id": "a", "after": "ghost", "command": "true"}]}' > flow.json
refused ghost '"a"'
echo '{"tasks": [{"id": "twin", "command": "true"}, {"id": "twin", "command": "false"}]}' > flow.json
refused twin
echo '{"tasks": [{"id": "a", "comand": "true"}]}' > flow.json
refused comand command
echo '{"tasks": [{"id": "a", "command": 7}]}' > flow.json
refused command '"a"'
printf '{"tasks": [{"id": "a\377", "command": "true"}]}' > flow.json
refused flow.json UTF-8
printf '{"tasks": [{"id": "a", "command": "true"}' > flow.json
refused flow.json
: > flow.json
refused flow.json empty
rm flow.json
refused flow.json "No such file"
mkdir flow.json
refused flow.json
rmdir flow.json
echo '{"tasks": [{"id": "a", "command": "true"}, {"id": "wide", "cores": 999, "command": "true"}]}' > flow.json
g 2 run flow.json -n 2
says err wide
[ ! -e flow.run/journal.jsonl ] || fail "the run left a journal, though nothing ran"
echo '{"tasks": [{"id": "a", "command": "true"}]}' > flow.json
g 0 run flow.json -n 2

# A file's name must not steer the terminal.
odd=$(printf 'red\033[31m\302\233.json')
cp flow.json "$odd"
g 0 check "$odd"
says out "workflow       red?[31m??"
