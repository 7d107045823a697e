# Sourced by the tests beside it. A test is a script that exits 0; it runs in a folder of its own, with
# GANGER (the program), GANGER_SOURCE_DIR and MPIEXEC set. Every ganger has a hard limit.
set -u

limit=${LIMIT_S:-90}

fail() {
    echo "FAILED: $*" >&2
    for file in out err; do
        [ -f $file ] && { echo "--- $file"; cat $file; } >&2
    done
    exit 1
}

# g STATUS WORD...: runs ganger with the words, into the files out and err, and checks its exit status.
g() {
    local wanted=$1 status=0
    shift
    timeout -s KILL "$limit" "$GANGER" "$@" >out 2>err || status=$?
    [ $status = "$wanted" ] || fail "ganger $*: exit status $status, not $wanted"
}

# says FILE TEXT: the file has that text somewhere.
says() { grep -qF -- "$2" "$1" || fail "$1 does not say: $2"; }
says_not() { ! grep -qF -- "$2" "$1" || fail "$1 says: $2"; }

# same FILE TEXT: the file is that text.
same() { [ "$(cat "$1")" = "$2" ] || { cat "$1" >&2; fail "$1 is not: $2"; }; }

# events RUN KIND: how many lines of that kind its journal has.
events() { grep -c "^{\"event\":\"$2\"" "$1/journal.jsonl"; }

# until_started RUN N: waits until N tasks were sent to workers.
until_started() {
    local i
    for i in $(seq 600); do
        [ -e "$1/journal.jsonl" ] && [ "$(events "$1" start)" -ge "$2" ] && return 0
        sleep 0.1
    done
    fail "$1: $2 tasks have not started within 60 s"
}

# rank PARENT N: the child of PARENT (mpirun) that is rank N. Not by the order of process ids: they begin anew at times.
rank() {
    local pid
    for pid in $(pgrep -P "$1"); do
        tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qxE "(OMPI_COMM_WORLD_RANK|PMI_RANK)=$2" && echo "$pid"
    done
    true
}

# nothing_left WORD: no process whose command line has the word is left, soon.
nothing_left() {
    local i
    for i in $(seq 100); do
        pgrep -f -- "$1" >/dev/null || return 0
        sleep 0.1
    done
    pgrep -fa -- "$1" >&2
    fail "processes are left: $1"
}
