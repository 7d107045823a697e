# A chain: jobs go on with one run, one after another, without anybody's help. On this machine.
# Others may run beside it: it mostly waits.
. "${BASH_SOURCE%/*}/lib.sh"
limit=150

state() { "$GANGER" status "$1" --json | sed -n 's/^  "state": "\(.*\)",$/\1/p'; }
chain() { "$GANGER" status "$1" --json | sed -n '/"chain"/,/}/s/^    "'"$2"'": \(.*[^,]\),*$/\1/p'; }
short="--end-margin 1 --grace 1"

# Four seconds of work in each job, and no task is done twice.
echo '{"tasks": [{"id": "t{i}", "for": {"i": "1-6"}, "command": "sleep 2; echo x >>made.{i}"}]}' >flow.json
# shellcheck disable=SC2086
g 0 submit flow.json --backend local -c 2 --time 8s --chain 9 --wait -- $short
for i in 1 2 3 4 5 6; do same made.$i x; done
[ "$(events flow.run run)" -ge 2 ] || fail "it was one job"
[ "$(chain flow.run jobs)" = "$(events flow.run run)" ] || fail "$(chain flow.run jobs) jobs, $(events flow.run run) epochs"
[ "$(events flow.run failed)" = 0 ] || fail "what was cut off counts as failed"
says flow.run/job.out "goes on with the"
[ "$(state flow.run)" = "done" ] || fail "its state is $(state flow.run)"

# All handed in at once: the first one that finds nothing to do cancels those behind it.
# shellcheck disable=SC2086
g 0 submit flow.json --backend local -c 2 --time 30s --chain 4 --up-front --run-dir front.run --wait -- $short
says out "and 3 more"
[ "$(events front.run run)" = 1 ] || fail "$(events front.run run) jobs ran it"
[ "$(chain front.run not_begun)" = 0 ] || fail "jobs that are not needed are left"
nothing_left "$PWD/front.run/job.sh"

# While jobs are still being handed in, one that has begun leaves the record alone: it would forget those that come.
sed -i 's/"cancelled": true/"cancelled": false/; s/"jobs": 4/"jobs": 1/' front.run/submit.json
job=$(sed -n 's/^    "job": "\(.*\)",$/\1/p' front.run/submit.json)
cp front.run/submit.json begun
echo 'date' >quick.txt
GANGER_LOCAL_JOB=$job timeout -s KILL 90 "$GANGER" run quick.txt --run-dir front.run >run.out 2>&1 &
sleep 2
cmp begun front.run/submit.json || fail "a job wrote the record while others were being handed in"
sed 's/"jobs": 1/"jobs": 4/' begun >whole && mv whole front.run/submit.json
wait $! || true
[ "$(chain front.run jobs)" = 4 ] || fail "the record lost jobs"

# Nothing was done in a job: there is no second one.
echo 'sleep 1017' >stuck.txt
# shellcheck disable=SC2086
g 75 submit stuck.txt --backend local -c 1 --time 6s --chain 9 --wait -- $short
[ "$(chain stuck.run jobs)" = 1 ] || fail "there were $(chain stuck.run jobs) jobs"
says stuck.run/job.out "nothing was done in this job"

# … but a task that can save what it has may take several.
cat >saves.json <<'FLOW'
{"tasks": [{"id": "a", "end_signal": "USR1@1",
    "command": "echo x >>saved; [ $(wc -l <saved) -lt 3 ] || exit 0; trap 'exit 3' USR1; sleep 1017 & wait"}]}
FLOW
# shellcheck disable=SC2086
g 0 submit saves.json --backend local -c 1 --time 6s --chain 5 --wait -- $short
[ "$(wc -l <saved)" = 3 ] || fail "it was started $(wc -l <saved) times"

# At most so many jobs; and a cancelled chain has no further ones.
# shellcheck disable=SC2086
g 75 submit flow.json --backend local -c 1 --time 9s --chain 2 --run-dir most.run --wait -- $short
[ "$(events most.run run)" = 2 ] || fail "there were $(events most.run run) jobs"
says most.run/job.out "all 2 jobs of the chain are used up"
# shellcheck disable=SC2086
g 0 submit flow.json --backend local -c 1 --time 30s --chain 5 --run-dir cancelled.run -- $short
until_started cancelled.run 1
g 0 cancel cancelled.run
[ "$(state cancelled.run)" = cancelled ] || fail "its state is $(state cancelled.run)"
[ "$(events cancelled.run run)" = 1 ] || fail "it went on after it was cancelled"
nothing_left "$PWD/cancelled.run"

# A run whose tasks fail is over.
echo 'exit 3' >bad.txt
# shellcheck disable=SC2086
g 1 submit bad.txt --backend local -c 1 --time 20s --chain 5 --wait -- $short
[ "$(chain bad.run jobs)" = 1 ] || fail "what failed was tried in another job"
g 2 submit flow.json --backend local --up-front --run-dir never.run
