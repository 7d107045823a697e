# USR1: what runs may finish, nothing new starts. USR2: how far is it? Neither ends anything.
. "${BASH_SOURCE%/*}/lib.sh"

# begin WORD...: a run of one worker, whose first task waits for the file "go".
begin() {
    rm -rf flow.run go ran
    timeout -s KILL "$limit" "$GANGER" run flow.json -n 1 "$@" >out 2>err &
    watcher=$!
    until_started flow.run 1
    launcher=$(pgrep -P $watcher)
}
# ends STATUS: it ends with that.
ends() {
    local status=0
    wait $watcher || status=$?
    [ $status = "$1" ] || fail "exit status $status, not $1"
    nothing_left "$GANGER run flow.json"
}
# until_says TEXT: on standard error, soon.
until_says() {
    local i
    for i in $(seq 100); do
        ! grep -qF -- "$1" err || return 0
        sleep 0.1
    done
    fail "not said within 10 s: $1"
}

cat > flow.json <<'J'
{"tasks": [
  {"id": "first", "command": "until test -e go; do sleep 0.05; done; echo first >> ran"},
  {"id": "second", "after": ["first"], "command": "echo second >> ran"}
]}
J

begin
kill -USR1 $launcher
until_says "Nothing more is started: told to start nothing more (USR1)"
touch go
ends 138
same ran first
tail -1 flow.run/journal.jsonl | grep -q '"event":"end"' || fail "the journal has no end"
g 0 run flow.json -n 1 --resume
same ran "$(printf 'first\nsecond')"

# TERM hurries it; and then TERM is what ended the run.
begin --grace 1
kill -USR1 $launcher
until_says "USR1"
kill -TERM $launcher
ends 143
[ "$(events flow.run cancelled)" = 1 ] || fail "the first task was not cancelled"

# When all is done anyway, the run went well.
begin
touch go
until [ "$(events flow.run done)" = 2 ]; do sleep 0.05; done
kill -USR1 $launcher 2>/dev/null
ends 0

# USR2, also for those who want no progress.
for quiet in "" --quiet; do
    begin $quiet
    kill -USR2 $launcher
    until_says "0 of 2 done, 1 running"
    touch go
    ends 0
    same ran "$(printf 'first\nsecond')"
done
