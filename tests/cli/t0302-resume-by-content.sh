# `--changed content`: a done task runs again if its inputs contain something else, and not because they were made anew.
. "${BASH_SOURCE%/*}/lib.sh"

cat >flow.json <<'J'
{"tasks": [
  {"id": "sort", "command": "echo sort >>ran; sort words >sorted", "inputs": ["words"], "outputs": ["sorted"]},
  {"id": "count", "command": "echo count >>ran; wc -l <sorted >n", "inputs": ["sorted"], "outputs": ["n"]},
  {"id": "tree", "command": "echo tree >>ran; ls data >list", "inputs": ["data"], "outputs": ["list"]},
  {"id": "mail", "command": "echo mail >>ran", "after": ["count", "tree"]}]}
J
ran() { [ ! -e ran ] || sort ran | tr '\n' ' '; rm -f ran; }
resumed() { # WANTED: what runs
    g 0 run flow.json -n 2 --changed content --resume
    local now
    now=$(ran)
    [ "$now" = "$1" ] || fail "ran again: $now, not: $1"
    g 0 verify flow.run
    says out 'verdict   sound'
}

mkdir -p data/deep
echo 1 >data/deep/a
printf 'b\na\n' >words
g 0 run flow.json -n 2 --changed content
[ "$(ran)" = "count mail sort tree " ] || fail "the first run"
[ "$(grep -c '"event":"done".*"fingerprint":"' flow.run/journal.jsonl)" = 3 ] || fail "who has inputs has a fingerprint"
g 0 logs flow.run sort
resumed ""
says_not err warning
[ "$(events flow.run unchanged)" -ge 3 ] || fail "what was looked at is recorded"
g 0 status flow.run
says out '4 of 4 done'

# Written anew with the same contents: nothing. With others: what reads it, and no further if that makes the same.
printf 'b\na\n' >words.new
mv words.new words
resumed ""
printf 'a\nb\n' >words
resumed "sort "
printf 'c\nb\na\n' >words
resumed "count mail sort "

# A directory is what is in it, however deep; a link in there is where it points.
touch data/deep/a
resumed ""
echo 2 >data/deep/a
resumed "mail tree "
ln -s nowhere data/link
resumed "mail tree "
rm n
resumed "count mail "

# A dry run says what is not certain; without the option only definitions and what was made anew count.
g 0 run flow.json --dry-run --resume --changed content
says out '# of them, 4 were done, and run only if their inputs have changed'
echo x >>words
g 0 run flow.json -n 2 --resume
[ -z "$(ran)" ] || fail "without --changed content nobody looks"
g 0 verify flow.run

# What changes its own input, or finds it changed meanwhile, is never sure.
cat >own.json <<'J'
{"tasks": [{"id": "own", "command": "echo own >>ran; echo x >>own.in", "inputs": ["own.in"]}]}
J
echo >own.in
g 0 run own.json -n 1 --changed content
g 0 run own.json -n 1 --changed content --resume
[ "$(ran)" = "own own " ] || fail "a task that changes its own input runs again"

# A run that was done without it goes on with it: what it has done counts, until something changes that is known.
g 0 run flow.json -n 2 --run-dir plain
ran >/dev/null
g 0 run flow.json -n 2 --run-dir plain --resume --changed content
[ -z "$(ran)" ] || fail "without fingerprints, done is done"
g 0 verify plain

g 2 run flow.json --changed time
says err '--changed takes definition or content, not "time"'

# Reading, however long it takes, ends when the run does. (The file has no bytes on the disk.)
truncate -s 4T endless
cat >endless.json <<'J'
{"tasks": [{"id": "read", "command": "true", "inputs": ["endless"]}]}
J
timeout -s KILL 60 "$GANGER" run endless.json -n 1 --changed content >out 2>err &
pid=$!
until_started endless.run 1
sleep 0.5
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
[ $status = 143 ] || fail "a run that was ended while it read: exit status $status"
[ "$(events endless.run cancelled)" = 1 ] || fail "what was being looked at is cancelled"
