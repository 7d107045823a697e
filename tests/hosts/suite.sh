#!/bin/bash
# Runs over three hosts while workers, leaders, hosts, networks, the manager and mpirun are lost. The hosts are namespaces of
# this machine. GANGER is the program, HOOKS the one of tests/functions/hooks.c, WORK a folder that may be emptied. With
# words: only the tests of these names.
set -u
script=$(readlink -f "$0")
. "${script%/*}/hosts.sh"

# Each test has hosts of its own. A task says ten times a second that it lives.
flow() { # TASKS TENTHS [COMMAND]: of a second; the command comes before, in the same shell
    cat >flow.json <<J
{"tasks": [{"id": "t{i}", "for": {"i": "1-$1"}, "command":
 "${3:-:}; k=0; while [ \$k -lt $2 ]; do echo \$GANGER_TASK_ID \$GANGER_ATTEMPT \$(hostname) \$(cut -d' ' -f1 /proc/uptime) >>log; sleep 0.1; k=\$((k + 1)); done"}]}
J
}

# No two attempts of a task lived at the same time, and each task is recorded once.
once() {
    awk '{ key = $1; if ($2 > attempt[key]) { if (key in last && $4 < last[key]) bad = bad " " key; attempt[key] = $2 }
           else if ($2 < attempt[key]) bad = bad " " key; if ($4 > last[key]) last[key] = $4 }
         END { if (bad != "") { print "at the same time:" bad; exit 1 } }' log || hosts_die "two attempts of a task overlap"
    [ "$(sed -n 's/^{"event":"done","task":"\([^"]*\)".*/\1/p' flow.run/journal.jsonl | sort | uniq -d)" = "" ] ||
        hosts_die "tasks are recorded twice"
    [ "$(hosts_events flow.run "done")" = "$1" ] || hosts_die "$(hosts_events flow.run "done") of $1 tasks are done"
    "$GANGER" verify flow.json >verified 2>&1 || hosts_die "verify: $(cat verified)"
}
started() { hosts_until 30 hosts_has flow.run start "$1"; }
lost_are() { [ "$(hosts_events flow.run lost)" = "$1" ] || hosts_die "$(hosts_events flow.run lost) workers are lost, not $1"; }

test_leader_and_a_follower_die() {
    flow 24 10
    hosts_run flow.json
    started 6
    kill -9 "$(hosts_rank 3)"
    hosts_until 5 hosts_journal_says flow.run '"event":"lost","worker":3'
    kill -9 "$(hosts_rank 6)"
    hosts_until 5 hosts_journal_says flow.run '"event":"lost","worker":6'
    hosts_wait 0
    once 24
    hosts_nothing_left
}

# Bytes of an attempt that was cut off stay with that attempt: nothing of them is in what its task says in the end.
test_worker_dies_while_its_task_writes() {
    local i dead
    cat >flow.json <<'J'
{"tasks": [{"id": "t{i}", "for": {"i": "1-12"}, "command":
 "k=0; while [ $k -lt 40 ]; do yes \"$GANGER_TASK_ID $GANGER_ATTEMPT is what each line of this says\" | head -n 1000; sleep 0.05; k=$((k + 1)); done"}]}
J
    hosts_run flow.json
    hosts_until 30 has_written n1 400000
    dead=$(sed -n 's/^{"event":"start","task":"\([^"]*\)".*"attempt":1,"worker":3.*/\1/p' flow.run/journal.jsonl | tail -n 1)
    kill -9 "$(hosts_rank 3)"
    hosts_wait 0
    lost_are 1
    [ "$(hosts_events flow.run "done")" = 12 ] || hosts_die "$(hosts_events flow.run "done") of 12 tasks are done"
    hosts_journal_says flow.run "\"done\",\"task\":\"$dead\".*\"attempt\":2" || hosts_die "$dead did not run again"
    for ((i = 1; i <= 12; i++)); do
        "$GANGER" logs flow.run "t$i" >text 2>err && [ ! -s err ] || hosts_die "logs of t$i: $(cat err)"
        [ "$(wc -l <text)" = 40000 ] || hosts_die "t$i has $(wc -l <text) lines"
        [ "$(sort -u text)" = "t$i $([ "t$i" = "$dead" ] && echo 2 || echo 1) is what each line of this says" ] ||
            hosts_die "t$i says $(sort text | uniq -c | head -n 5)"
    done
    "$GANGER" logs flow.run "$dead" --attempt 1 >text 2>err
    i=$(wc -l <text)
    [ "$i" -gt 0 ] && [ "$i" -lt 40000 ] || hosts_die "it was not killed in the middle: $i lines"
    ! head -n -1 text | grep -qvx "$dead 1 is what each line of this says" || hosts_die "attempt 1 of $dead has foreign bytes"
    "$GANGER" verify flow.json >verified 2>&1 || hosts_die "verify: $(cat verified)"
    hosts_nothing_left
}
has_written() { [ "$(stat -c %s "flow.run/output/1-$1.out")" -ge "$2" ]; } # NODE BYTES

test_last_worker_of_a_host_dies() {
    flow 24 10
    hosts_run flow.json --fence 2
    started 6
    kill -9 "$(hosts_rank 3)" "$(hosts_rank 4)" # nobody of n1 is left to tell
    hosts_wait 0
    lost_are 2
    once 24
}

test_host_dies() {
    flow 48 10
    hosts_run flow.json --fence 2
    started 10
    hosts_kill n1
    hosts_wait 0
    lost_are 2
    once 48
    hosts_nothing_left
}

test_host_is_cut_off_and_healed() {
    flow 60 10
    hosts_run flow.json --fence 2
    started 10
    hosts_cut n2
    sleep 7
    hosts_heal n2
    hosts_wait 0
    lost_are 2
    hosts_says out "its node was silent for 4 s"
    once 60
    hosts_nothing_left 20
}

test_host_is_cut_off_for_a_moment() {
    flow 48 10
    hosts_run flow.json --fence 6
    started 10
    hosts_cut n2
    sleep 2
    hosts_heal n2
    hosts_wait 0
    ! hosts_has flow.run lost 1 || hosts_die "a moment has cost workers"
    once 48
    hosts_nothing_left
}

test_both_hosts_are_cut_off() {
    flow 30 10
    hosts_run flow.json --fence 2
    started 6
    hosts_cut n1
    hosts_cut n2
    hosts_wait 0
    lost_are 4
    once 30
}

test_stopped_workers_are_waited_for() {
    local leader other
    flow 24 10
    hosts_run flow.json --fence 2
    started 6
    leader=$(hosts_rank 3) other=$(hosts_rank 6)
    kill -STOP "$leader" "$other"
    sleep 6
    ! hosts_has flow.run lost 1 || hosts_die "a stopped worker was given up"
    kill -CONT "$leader" "$other"
    hosts_wait 0
    ! hosts_has flow.run lost 1 || hosts_die "a worker that went on was given up"
    once 24
    hosts_nothing_left
}

test_black_hole_is_set_aside() {
    local failed
    flow 80 2 'test $(hostname) != n2 || { sleep 0.2; exit 9; }'
    hosts_run flow.json
    hosts_wait 1
    hosts_says out "node n2 is set aside"
    failed=$(hosts_events flow.run failed)
    [ "$failed" -le 30 ] || hosts_die "$failed of 80 tasks were eaten"
    hosts_nothing_left
}

# A program is broken on one host, and what else runs there ends well. All cost as much, so that they mix.
test_black_hole_of_one_program_is_set_aside() {
    local failed
    printf '#!/bin/sh\nsleep 0.1\n' | tee here >there
    printf '#!/bin/sh\nsleep 0.1\nexit 1\n' >broken
    chmod +x here there broken
    cluster_on n2 mount --bind "$PWD/broken" "$PWD/there"
    {
        echo '{"defaults": {"cost": "0.1s"}, "tasks": ['
        for ((i = 0; i < 280; i++)); do
            if ((i % 7 == 0)); then echo "{\"id\": \"t$i\", \"command\": [\"$PWD/there\"]},"; fi
            echo "{\"id\": \"h$i\", \"command\": [\"$PWD/here\"]},"
        done
        echo '{"id": "last", "command": ["true"]}]}'
    } >flow.json
    hosts_run flow.json
    hosts_wait 1
    hosts_says out "node n2 is set aside: "
    hosts_says out "tasks of \"there\" in a row"
    failed=$(hosts_events flow.run failed)
    [ "$failed" -ge 5 ] && [ "$failed" -le 12 ] || hosts_die "$failed of 40 tasks were eaten"
    [ "$(hosts_events flow.run "done")" = $((321 - failed)) ] || hosts_die "not all others are done"
    hosts_nothing_left
}

test_manager_dies() {
    flow 24 10
    hosts_run flow.json
    started 6
    kill -9 "$(hosts_rank 0)"
    hosts_wait 3
    hosts_nothing_left
    hosts_run flow.json --resume
    hosts_wait 0
    once_resumed 24
}

test_mpirun_dies() {
    flow 24 10
    hosts_run flow.json
    started 6
    kill -9 "$(hosts_mpirun)"
    hosts_wait 3
    hosts_nothing_left
    hosts_run flow.json --resume
    hosts_wait 0
    once_resumed 24
}

test_launcher_dies() {
    flow 24 10
    hosts_run flow.json
    started 6
    kill -9 "$(hosts_launcher)"
    hosts_nothing_left 15
    hosts_run flow.json --resume
    hosts_wait 0
    once_resumed 24
}

# What was recorded as done did not run in the next epoch; attempts count from 1 again, so once() does not fit.
once_resumed() {
    [ "$(sed -n 's/^{"event":"done","task":"\([^"]*\)".*/\1/p' flow.run/journal.jsonl | sort | uniq -d)" = "" ] ||
        hosts_die "tasks are recorded twice"
    [ "$(hosts_events flow.run "done")" = "$1" ] || hosts_die "$(hosts_events flow.run "done") of $1 tasks are done"
    hosts_nothing_left
}

# ---- the program is asked about tasks, while hosts die on which they ran ----

# Six functions end, one on each worker, and six others begin there. The program answers about the first only when "seen"
# is there: so none is collected before. Each that is collected adds three tasks.
hooks_begin() { # WORD...: for ganger run
    GANGER=$HOOKS
    export HOOKS_LOG=$PWD/asked HOOKS_WAIT=sow
    cat >flow.json <<'J'
{"tasks": [{"id": "early-{i}", "for": {"i": "1-6"}, "function": "echo", "input": "{i}"},
           {"id": "sow-{i}", "for": {"i": "1-6"}, "function": "wait_for", "input": "go", "after": "early-*"},
           {"id": "next-{i}", "for": {"i": "1-6"}, "function": "wait_for", "input": "seen", "after": "early-*",
            "priority": -1},
           {"id": "all", "function": "join", "after": ["sow-*", "next-*"], "keep": true}]}
J
    hosts_run flow.json "$@"
    hosts_until 30 hooks_said "run sow" 6
    touch go
    hosts_until 10 hosts_has flow.run ended 12
    hosts_until 10 hooks_said "run next" 6
    ! hooks_said "finished sow" 1 || hosts_die "the program was not waited for"
}
hooks_said() { [ "$(grep -c "^$1" asked)" -ge "$2" ]; } # START N: so many lines of the log

# Each task was done and collected once; those of ATTEMPT are at that one.
hooks_once() {
    [ "$(hosts_events flow.run "done")" = 37 ] || hosts_die "$(hosts_events flow.run "done") of 37 tasks are done"
    [ "$(sed -n 's/^finished \([^ ]*\) done$/\1/p' asked | sort | uniq -d)" = "" ] || hosts_die "the end of a task was told twice"
    hosts_says out "all: done here here here here here here here here here here here here"
    hosts_says out "join-sow-6: done seed here"
    "$GANGER" verify flow.run >verified 2>&1 || hosts_die "verify: $(cat verified)"
}
hooks_collected_once() { [ "$(sed -n 's/^collect \([^ ]*\) .*/\1/p' asked | sort | uniq -d)" = "" ] || hosts_die "a task was collected twice"; }

test_host_dies_before_its_tasks_are_collected() {
    hooks_begin --fence 2
    hosts_kill n1
    hosts_until 20 hosts_has flow.run lost 2
    touch seen
    hosts_wait 0
    lost_are 2
    hooks_collected_once
    hooks_once
    [ "$(grep -c "^collect sow-[0-9] 1 exited 0 'here'" asked)" = 6 ] || hosts_die "what had ended ran again"
    [ "$(grep -c "^collect next-[0-9] 2 exited 0 'here'" asked)" = 2 ] || hosts_die "it was not two of n1 that ran again"
    hosts_nothing_left
}

# What a host that was given up returned in the meantime counts no more, and is not collected.
test_host_returns_with_what_nobody_collects() {
    hooks_begin --fence 2
    hosts_cut n2
    touch seen # those of n2 end, too
    hosts_until 20 hosts_has flow.run lost 2
    hosts_heal n2
    hosts_wait 0
    hooks_collected_once
    hooks_once
    [ "$(grep -c "^collect next-[0-9] 2 exited 0 'here'" asked)" = 2 ] || hosts_die "it was not two of n2 that ran again"
    hosts_nothing_left 20
}

# What was not collected when the manager died runs again, and is collected then; what was, is not.
test_manager_dies_before_tasks_are_collected() {
    hooks_begin
    kill -9 "$(hosts_rank 0)"
    hosts_wait 3
    hosts_nothing_left
    [ "$(hosts_events flow.run "done")" = 6 ] || hosts_die "$(hosts_events flow.run "done") tasks are done, not 6"
    [ "$(grep -c '^collect early' asked)" = 6 ] || hosts_die "not six were collected"
    mv asked asked-before
    touch seen
    hosts_run flow.json --resume
    hosts_wait 0
    ! grep '^[a-z]* early' asked || hosts_die "what was collected is asked about again"
    hooks_collected_once
    hooks_once
    hosts_nothing_left
}

test_idle_ranks_sleep() {
    local rank before after
    cat >flow.json <<'J'
{"tasks": [{"id": "t{i}", "for": {"i": "1-6"}, "command": "sleep 8"}]}
J
    hosts_run flow.json
    started 6
    sleep 2
    rank=$(hosts_rank 4)
    before=$(awk '/^voluntary/ { print $2 }' "/proc/$rank/status")
    sleep 4
    after=$(awk '/^voluntary/ { print $2 }' "/proc/$rank/status")
    hosts_wait 0
    echo "a rank of another host woke $((after - before)) times in 4 s"
    [ $((after - before)) -lt 300 ] || hosts_die "it does not sleep" # looking every 5 ms would be 800
}

# mpirun is stopped as soon as the ranks have come together: none may need it to find another one afterwards.
test_starts_over_hosts() {
    local i
    hosts_n_workers=24
    echo true >flow.txt
    for i in 1 2 3 4 5 6; do
        hosts_run flow.txt --run-dir "$i.run"
        hosts_wait 0
    done
    hosts_nothing_left
}

# One test, as head of hosts that are gone with it.
: "${HOOKS:=${GANGER%/bin/*}/tests/functions-hooks}"
export HOOKS CLUSTER_SHARED="${HOOKS%/*/*}" # the build, with its libraries
if [ "${1:-}" = --one ]; then
    hosts_enter "$script" "$@"
    cd "$WORK/$2" && hosts_start "$PWD/hosts" && "test_$2"
    exit
fi
failed=
for name in ${*:-$(declare -F | sed -n 's/^declare -f test_//p')}; do
    rm -rf "${WORK:?}/$name"
    mkdir -p "$WORK/$name"
    start=$SECONDS status=0
    timeout -s KILL 200 bash "$script" --one "$name" || status=$?
    [ $status = 77 ] && exit 77
    [ $status = 0 ] && echo "pass  $name, $((SECONDS - start)) s" || { echo "FAIL  $name" && failed="$failed $name"; }
done
[ -z "$failed" ] || { echo "failed:$failed" && exit 1; }
