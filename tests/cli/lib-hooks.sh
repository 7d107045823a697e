# Sourced by tests of runs that end, or lose workers, while the program of tests/functions/hooks.c is being asked about
# tasks. It tells in the file `log` what it is asked.
. "${BASH_SOURCE%/*}/lib.sh"
GANGER=$HOOKS
export HOOKS_LOG=$PWD/log

until_said() { # FILE TEXT
    local i
    for i in $(seq 600); do
        grep -qF -- "$2" "$1" 2>/dev/null && return 0
        sleep 0.1
    done
    fail "$1 does not say within 60 s: $2"
}
told() { grep -c "^$1\$" log; } # PATTERN: how many lines of the log
asked_once() { [ "$(told "$1")" = 1 ] || fail "not once, but $(told "$1") times: $1"; }
never_asked() { [ "$(told "$1")" = 0 ] || fail "it was asked: $1"; }

ends_with() { # STATUS
    local status=0
    wait $watcher || status=$?
    [ $status = "$1" ] || fail "exit status $status, not $1"
}

# The tasks slow, child and long: a run that is told to end while the program is being asked about slow, and long runs.
slow_flow() { # SECONDS: that long would take; a number that no other test sleeps for
    cat <<FLOW
{"tasks": [
    {"id": "slow", "function": "add_late", "keep": true},
    {"id": "child", "function": "join", "after": "slow"},
    {"id": "long", "command": "test -e seen || exec sleep $1"}
]}
FLOW
}
answers_late() { # RUN: its answer counts; what was cut off was not asked about
    asked_once "collect slow .*"
    asked_once "finished slow done"
    never_asked "collect long .*"
    asked_once "finished long not run"
    never_asked "provide child"
    [ "$(events $1 done)" = 1 ] || fail "$(events $1 done) tasks are done, not the one that was collected"
    nothing_left "sleep 301[45]"
}
goes_on() { # RUN: and is not asked about again
    never_asked '[a-z]* slow\( .*\)*'
    asked_once "collect child 1 exited 0 'mine' ''"
    asked_once "collect late-slow 1 exited 0 'done:mine;' ''"
    asked_once "collect long 1 exited 0 '-' ''"
    g 0 verify $1
}
