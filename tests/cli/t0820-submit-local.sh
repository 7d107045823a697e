# A run in the background of this machine: the same commands as with a batch system.
. "${BASH_SOURCE%/*}/lib.sh"

state() { "$GANGER" status "$1" --json | sed -n 's/^  "state": "\(.*\)",$/\1/p'; }

until_state() {
    local i
    for i in $(seq 300); do
        [ "$(state "$1")" = "$2" ] && return 0
        sleep 0.1
    done
    fail "$1 is $(state "$1"), not $2"
}

printf '%s\n' 'echo fine' 'echo fine' >good.txt
g 0 submit good.txt --backend local -c 1 --wait --before 'echo before' --after 'echo after >after' --prefix 'env COLOUR=red'
same after after
says good.run/job.out "before"
says good.run/job.out "--- ganger: the job ends, status 0"
[ "$(state good.run)" = done ] || fail "its state is $(state good.run)"
cmp good.txt good.run/good.txt || fail "the workflow was not copied"
g 0 status good.txt
says out "tasks  2 of 2 done"

echo 'exit 3' >bad.txt
g 1 submit bad.txt --backend local -c 1 --wait
g 2 submit bad.txt --backend local -c 1 # it was run there already
says err "--resume"
g 1 submit bad.txt --backend local -c 1 --resume --wait -- --fail-fast
[ "$(events bad.run run)" = 2 ] || fail "it was not resumed"

# The job ends before the run has begun: what its log says is told.
g 3 submit good.txt --backend local --run-dir none.run --before 'echo no such module >&2; exit 7' --wait
g 0 status none.run
says out "cut off"

printf '%s\n' 'sleep 1007' 'sleep 1007' >long.txt
trap '"$GANGER" cancel long.run >/dev/null 2>&1' EXIT # also when something is wrong
g 0 submit long.txt --backend local -c 2
until_state long.run running
until_started long.run 2
g 2 submit long.txt --backend local --resume
says err "submitted already"
g 0 status
says out "$PWD/long.run"
g 0 cancel long.run
[ "$(state long.run)" = cancelled ] || fail "its state is $(state long.run)"
nothing_left "sleep 1007"
g 0 cancel long.run # again
g 2 cancel nosuch.run
g 2 status nosuch.run

# Refused before anything is made.
g 2 submit good.txt --backend local --nodes 2 --run-dir never.run
g 2 submit good.txt --backend local --partition main --run-dir never.run
g 2 submit good.txt --backend thread --run-dir never.run
g 2 submit good.txt --backend nosuch --run-dir never.run
g 2 submit good.txt --backend local --time soon --run-dir never.run
says err "90m"
g 2 submit missing.txt --backend local
echo '{"tasks": [{"id": "a"}]}' >broken.json
g 2 submit broken.json --backend local --run-dir never.run
[ ! -e never.run ] || fail "something was made"

# A dry run prints a script that bash can read, whatever the names.
mkdir "a folder"
cp good.txt "a folder/it's \$good.txt"
g 0 submit "a folder/it's \$good.txt" --backend local -c 1 --dry-run --name 'a name'
cp out script
bash -n script || fail "not a script"
g 0 submit "a folder/it's \$good.txt" --backend local -c 1 --wait
[ "$(state "it's \$good.run")" = done ] || fail "strange names"
