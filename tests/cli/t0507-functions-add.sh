# Tasks that functions add while the run goes on: a tree that grows, who gathers, what is refused, a run that is killed.
. "${BASH_SOURCE%/*}/lib.sh"
GANGER=$FUNCTIONS

flow() { # TASK...
    (IFS=,; echo "{\"tasks\": [$*]}") >flow.json
}

ids() { # RUN: the ids of what ended well, sorted
    sed -n '/"event":"calls"/p' "$1/journal.jsonl" | grep -o '\["[^"]*",[0-9]' | cut -d'"' -f2 | sort
}

# A tree of depth 6 has 127 tasks, whatever runs it.
flow '{"id": "t", "function": "grow", "input": 6}'
for backend in none thread local; do
    rm -rf flow.run
    g 0 run -q --backend $backend flow.json
    ids flow.run >$backend.ids
    [ "$(uniq $backend.ids | wc -l)" = 127 ] || fail "$backend: $(uniq $backend.ids | wc -l) tasks ran"
    [ "$(wc -l <$backend.ids)" = 127 ] || fail "$backend: some ran twice"
    [ "$(grep -c '"event":"added"' flow.run/journal.jsonl)" = 126 ] || fail "$backend: not all were recorded"
    g 0 verify flow.run
    g 0 status flow.run
    says out "127 of 127"
done
cmp none.ids thread.ids && cmp none.ids local.ids || fail "the journals differ"

# Nothing is left to do, and nothing is added again.
g 0 run --resume --backend thread flow.json
says out "127 of them in earlier runs"

# Results come in declared order, the adder's own among them.
rm -rf flow.run
flow '{"id": "s", "function": "scatter", "input": 5}'
g 0 run -q --backend thread flow.json
says out "gathered: done 1030"

# What is refused fails the task that adds it, and adds nothing.
refused() { # HOW MESSAGE
    rm -rf flow.run
    flow '{"id": "early", "function": "nothing"}' '{"id": "bad", "function": "refuse", "may_fail": true}' \
        "{\"id\": \"w\", \"function\": \"add_wrongly\", \"input\": \"$1\", \"after\": [\"early\", \"bad\"]}"
    g 1 run --backend thread flow.json
    says err "$2"
    grep -q '"event":"added"' flow.run/journal.jsonl && fail "$1: something was added"
    return 0
}
refused taken 'the id "early" is taken by another task'
refused twice 'this call has added one with that id before'
refused unknown 'asks for the function "no-such", which is not registered'
refused nobody 'waits for "nobody", which there is not'
refused fail 'w'

# What is added may wait to see others fail, or end, whether they have or not; also when it is had from the journal.
flow '{"id": "early", "function": "nothing", "keep": true}' '{"id": "bad", "function": "refuse"}' \
    '{"id": "w", "function": "add_menders", "after": ["early", {"task": "bad", "on": "any"}]}'
for backend in none thread local; do
    rm -rf flow.run
    g 1 run --backend $backend flow.json
    for resume in "" --resume; do
        [ -z "$resume" ] || g 1 run --resume --backend $backend flow.json
        for line in "mends: done -" "whatever: done -" "late: done -" "skipped: skipped" "needless: not needed" \
            "too-late: skipped" "fails: failed" "bad: failed"; do
            says out "$line"
        done
        says out "done  5 of 10 tasks"
    done
    g 1 verify flow.run
    says out 'verdict   sound so far, but not complete'
done
sed -n '1,/^{"event":"added","task":"too-late"/p' flow.run/journal.jsonl >cut && cp cut flow.run/journal.jsonl
g 1 run --resume --backend none flow.json
says out "done  5 of 10 tasks"
says out "mends: done -"
g 1 verify flow.run
says out 'verdict   sound so far, but not complete'

# The result of a function that nobody waits for any more is gone, unless it says `keep`.
rm -rf flow.run
middle='{"id": "middle", "function": "nothing", "after": ["early"]}'
last='{"id": "w", "function": "add_wrongly", "input": "late", "after": ["middle"]}'
flow '{"id": "early", "function": "nothing"}' "$middle" "$last"
g 1 run --backend thread flow.json
says err 'task "waits" asks for the result of "early", which was dropped'
rm -rf flow.run
flow '{"id": "early", "function": "nothing", "keep": true}' "$middle" "$last"
g 0 run -q --backend thread flow.json
[ "$(ids flow.run | tr '\n' ' ')" = "early fine middle w waits " ] || fail "these ran: $(ids flow.run)"

# An attempt that fails adds nothing, one that is lost with its process neither.
rm -rf flow.run
flow '{"id": "a", "function": "add_and_fail", "retries": 1}'
g 0 run -q --backend thread flow.json
[ "$(events flow.run added)" = 1 ] || fail "$(events flow.run added) tasks were added in two attempts"
rm -rf flow.run
flow '{"id": "a", "function": "add_and_crash"}'
g 0 run -q -n 2 flow.json
[ "$(events flow.run added)" = 1 ] || fail "$(events flow.run added) tasks were added by a call that died, and once more"

# What no node could hold is added, and fails by itself, now and when the run is resumed.
flow '{"id": "w", "function": "add_wrongly", "input": "vast"}'
rm -rf flow.run
for resume in "" --resume; do
    g 1 run $resume --backend thread flow.json
    says err 'vast'
    says err 'no node can hold it: 4096 cores'
    [ "$(ids flow.run | tr '\n' ' ')" = "fine w " ] || fail "these ran: $(ids flow.run)"
done

# Where the program is asked what an attempt counts as, it adds when that has been said, once.
GANGER=$HOOKS
flow '{"id": "again", "function": "add_late"}' '{"id": "ever", "function": "add_late"}' \
    '{"id": "doubted", "function": "add_late", "retries": 1}'
for backend in none thread local; do
    rm -rf flow.run
    g 1 run -q --backend $backend flow.json
    says out 'late-again: done done:mine;'
    says out 'late-doubted: done done:mine;'
    says_not out 'late-ever'
    [ "$(events flow.run added)" = 2 ] || fail "$backend: $(events flow.run added) tasks were added"
    g 1 verify flow.run
    says out 'verdict   sound so far, but not complete' # one failed
done

# The program adds tasks itself, when it is asked what an attempt counts as: also in a workflow of commands alone.
flow '{"id": "sow", "command": "true"}' '{"id": "sow-again", "command": "true"}' \
    '{"id": "sow-given", "command": "true"}' '{"id": "sow-fails", "command": "false"}' \
    '{"id": "sow-badly", "command": "true"}' '{"id": "sow-twice", "command": "true"}'
for backend in none thread local; do
    rm -rf flow.run log
    HOOKS_LOG=$PWD/log g 1 run --backend $backend flow.json
    says out 'join-sow: done seed -'
    says out 'join-sow-again: done seed -'
    says out 'join-sow-given: done seed -'
    says out 'sow.2: done -'
    says_not out 'join-sow-fails'
    says_not out 'join-sow-badly'
    says_not out 'join-sow-twice'
    says err 'asks for the function "no-such", which is not registered'
    says err 'a task that it adds ("join-sow-twice") is refused: this call has added one with that id before'
    says_not log 'the same id twice'
    says_not log 'started adds a task'
    [ "$(events flow.run added)" = 9 ] || fail "$backend: $(events flow.run added) tasks were added"
    g 1 verify flow.run
    says out 'verdict   sound so far, but not complete' # three failed
done

# Behind those that its function adds, and with ids that follow theirs.
flow '{"id": "sow", "function": "add_late"}'
rm -rf flow.run
g 0 run -q --backend thread flow.json
says out 'late-sow: done done:mine;'
says out 'sow.1: done -'
says out 'join-sow: done seed mine'
[ "$(events flow.run added)" = 4 ] || fail "$(events flow.run added) tasks were added"

# Cut off between what it adds and its end: asked again, and nothing is added twice.
flow '{"id": "sow", "command": "true"}'
rm -rf flow.run
g 0 run -q --backend none flow.json
sed -n '1,/^{"event":"added"/p' flow.run/journal.jsonl >cut && cp cut flow.run/journal.jsonl
g 0 run -q --resume --backend none flow.json
says out 'join-sow: done seed -'
says out 'sow.2: done -'
[ "$(events flow.run added)" = 3 ] || fail "$(events flow.run added) tasks were added after a cut"
g 0 verify flow.run
g 0 run --resume --backend thread flow.json
says out "4 of them in earlier runs"
GANGER=$FUNCTIONS

# Cut off when what it adds was recorded and its end was not, it runs again, and adds nothing twice; but what it adds
# then must be the same.
cut_off() {
    rm -rf flow.run
    flow '{"id": "v", "function": "vary"}'
    VARY=3 g 0 run -q --backend none flow.json
    sed -n '1,/^{"event":"added"/p' flow.run/journal.jsonl >cut && cp cut flow.run/journal.jsonl
    [ -z "$(ids flow.run)" ] || fail "it was not cut off"
}
cut_off
VARY=3 g 0 run --resume --dry-run flow.json
[ "$(grep -c ': function' out)" = 2 ] || fail "a dry run has not both"
VARY=3 g 0 run -q --resume --backend none flow.json
[ "$(events flow.run added)" = 1 ] || fail "it was added twice"
[ "$(ids flow.run | tr '\n' ' ')" = "v varied " ] || fail "these ran: $(ids flow.run)"
g 0 verify flow.run
cut_off
VARY=4 g 1 run --resume --backend none flow.json
says err 'task "varied" was added before, when this task ran in an earlier epoch, and was to do something else'

# A task that is to do something else than when it added tasks runs again, and what it had added is gone.
rm -rf flow.run
flow '{"id": "other", "function": "nothing"}' '{"id": "t", "function": "grow", "input": 3}'
g 0 run -q --backend none flow.json
flow '{"id": "other", "function": "nothing"}' '{"id": "t", "function": "grow", "input": 2}'
g 0 run --resume --backend none flow.json
says out '8 of 8 tasks, 1 of them in earlier runs'
g 0 run --resume --backend none flow.json
says out '8 of 8 tasks, 8 of them in earlier runs'
g 0 verify flow.run

# A line about a task that was added is damaged, or gone: who added it runs again, and nothing is lost.
damage() { # HOW WHAT: the first line that has WHAT
    case $1 in
    damaged) sed -i "0,/$2/{/$2/s/\(\"definition\":\"...\)./\1_/}" flow.run/journal.jsonl ;;
    gone) sed -i "0,/$2/{/$2/d}" flow.run/journal.jsonl ;;
    esac
}
missed() { # HOW: what is said of it
    case $1 in
    damaged) says err "damaged lines of the journal are ignored: 1" ;;
    gone) says_not err "damaged lines of the journal" ;;
    esac
    says err "tasks run again because lines about tasks that they added are damaged or missing: 1"
    says_not err "another workflow"
}
for how in damaged gone; do
    rm -rf flow.run
    flow '{"id": "t", "function": "grow", "input": 2}'
    g 0 run -q --backend none flow.json
    damage $how '"event":"added","task":"t.1",'
    [ "$(grep -c '"added","task":"t.1",' flow.run/journal.jsonl)" = "$([ $how = gone ] && echo 0 || echo 1)" ] || fail "$how"
    g 1 verify flow.run
    g 0 run --resume --backend thread flow.json
    missed $how
    says out '7 of 7 tasks'
    [ "$(ids flow.run | uniq | wc -l)" = 7 ] || fail "$how: these ran: $(ids flow.run)"
    g 0 run --resume --backend none flow.json
    says out '7 of 7 tasks, 7 of them in earlier runs'
    says_not err 'tasks run again'
    # t.1 is said again, and so are the two that it adds, since nobody knew who had added them.
    [ "$(events flow.run added)" = "$([ $how = gone ] && echo 8 || echo 9)" ] || fail "$how: added anew"
    g 0 verify flow.run # the damaged line is still there, and the run was repaired
    [ "$(grep -c '1 damaged lines that later epochs did without' out)" = "$([ $how = gone ] && echo 0 || echo 1)" ] ||
        fail "$how: verify does not tell of the damaged line: $(cat out)"
done

# Where a hook adds, and where a function is told of by itself: their ends are lines of their own.
GANGER=$HOOKS
rm -rf flow.run
flow '{"id": "sow", "command": "true"}'
g 0 run -q --backend none flow.json
damage gone '"event":"added","task":"join-sow",'
g 0 run --resume --backend none flow.json
missed gone
says out 'join-sow: done seed -'
g 0 verify flow.run
GANGER=$FUNCTIONS
rm -rf flow.run
flow '{"id": "t", "function": "grow", "input": 1, "cores": 2}'
g 0 run -q --backend thread -n 2 flow.json
grep -q '"event":"done","task":"t",.*"result":"MQ==","adds":2' flow.run/journal.jsonl || fail "what it returned is not recorded"
damage gone '"event":"added","task":"t.0",'
g 0 run --resume --backend thread -n 2 flow.json
missed gone
says out '3 of 3 tasks'
g 0 verify flow.run

# Killed in the middle, again and again: nothing is lost, and nothing that was done runs again, whatever runs it.
until_done() { # RUN N: until N functions have ended well
    local i n
    for i in $(seq 600); do
        n=$(events "$1" calls 2>/dev/null)
        [ "${n:-0}" -ge "$2" ] && return 0
        sleep 0.05
    done
    fail "$1: $2 functions have not ended within 30 s"
}
rm -rf flow.run
flow '{"id": "t", "function": "grow", "input": 6}'
resume=
for n in 20 40 60; do
    GROW_MS=20 "$GANGER" run -q $resume --backend thread -n 2 flow.json >/dev/null 2>&1 &
    pid=$!
    until_done flow.run $n
    kill -KILL $pid
    wait $pid 2>/dev/null
    resume=--resume
done
g 1 verify flow.run
says out 'verdict   sound so far, but not complete'
g 0 run --resume --dry-run flow.json
[ "$(grep -c ': function' out)" -gt 0 ] || fail "nothing was left to do"
g 0 run --resume flow.json # over MPI
[ "$(ids flow.run | uniq | wc -l)" = 127 ] || fail "$(ids flow.run | uniq | wc -l) tasks ran"
[ -z "$(ids flow.run | uniq -d)" ] || fail "ended well twice: $(ids flow.run | uniq -d)"
g 0 verify flow.run
g 0 run --resume --backend none flow.json
says out "127 of them in earlier runs"

# In a process of its own, too.
rm -rf flow.run
flow '{"id": "t", "function": "grow_alone", "input": 1}'
g 0 run -q --backend thread flow.json
[ "$(ids flow.run | grep -c '^t\.')" = 2 ] || fail "what an isolated function adds"
