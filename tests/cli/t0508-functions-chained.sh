# What waits for functions of the only worker is sent behind them: it gets what they returned, and it does not run when they
# fail, are too slow, are tried again or are lost.
. "${BASH_SOURCE%/*}/lib.sh"
GANGER=$FUNCTIONS

known() { # one of each has run before, so that they are known to be short
    cat <<FLOW
{"id": "k1", "function": "crash", "input": 0, "priority": 9}
{"id": "k2", "function": "fill", "input": 1, "priority": 9}
{"id": "k3", "function": "check", "after": "k2", "priority": 9}
{"id": "k4", "function": "nap", "input": 0, "priority": 9}
{"id": "k5", "function": "join", "after": ["k1", "k2", "k3", "k4"], "priority": 9}
FLOW
}

chain() { # NAME FIRST LAST: each returns what the one before did
    for i in $(seq "$2" "$3"); do echo "{\"id\": \"$1$i\", \"function\": \"join\", \"after\": \"$1$((i - 1))\"}"; done
}

{
    known
    echo '{"id": "a0", "function": "fill", "input": 12, "after": "k5"}'
    echo '{"id": "a1", "function": "check", "after": "a0"}'
    chain a 2 300
    echo '{"id": "both", "function": "join", "after": ["a299", "a300", "k5"]}'
    # Others of their results than what is kept fits: they are given back, and sent again.
    for i in {1..150}; do
        echo "{\"id\": \"large$i\", \"function\": \"fill\", \"input\": 65536, \"after\": \"k5\"}"
        echo "{\"id\": \"small$i\", \"function\": \"check\", \"after\": \"large$i\"}"
    done
} >well.jsonl
for backend in local thread none; do
    n="-n 1"
    [ $backend != none ] || n=
    # shellcheck disable=SC2086
    g 0 run $n --backend $backend -d $backend.run well.jsonl
    says out "both: done 12 12 "
    says out "small150: done 65536"
    g 0 verify $backend.run
    # Links were told of together: none was waited for before the next was sent. (Sanitized, each takes long enough to
    # be told of alone.)
    lines=$(grep -c '\["a[0-9]*",' $backend.run/journal.jsonl)
    [ -n "${SANITIZE:-}" ] || [ "$lines" -lt 290 ] ||
        fail "300 links took $lines messages with --backend $backend: nothing was chained"
done

{
    known
    echo '{"id": "f0", "function": "fill", "input": 1, "after": "k5"}'
    echo '{"id": "f1", "function": "fill", "input": 65537, "after": "f0", "retries": 1}'
    chain f 2 40
    echo '{"id": "m0", "function": "fill", "input": 65537, "after": "f0", "retries": 1, "may_fail": true}'
    chain m 1 40
    echo '{"id": "s0", "function": "nap", "input": 3600000, "timeout": 0.3, "after": "f0"}'
    chain s 1 40
    echo '{"id": "i0", "function": "nap", "input": 0, "isolate": true, "after": "f0"}'
    chain i 1 40
    echo '{"id": "o0", "function": "fill", "input": 7, "after": "f0"}'
    echo '{"id": "o1", "function": "check", "after": "o0"}'
    chain o 2 40
} >badly.jsonl
for backend in local thread; do
    g 1 run -n 1 --backend $backend -d $backend-badly.run badly.jsonl
    says out "f1: failed"
    says out "f40: skipped"
    says out "m0: failed"
    says out "m40: done -"
    says out "s0: failed"
    says out "s1: skipped"
    says out "i40: done"
    says out "o40: done 7"
    grep -q '"task":"f1".*"attempt":2' $backend-badly.run/journal.jsonl || fail "f1 was not tried again"
    g 1 verify $backend-badly.run
    says out "sound so far"
done

# A worker is lost, so that one is left, which does the rest, and what was lost with the other.
{
    known
    echo '{"id": "c0", "function": "crash", "input": 1, "after": "k5"}'
    chain c 1 200
} >lost.jsonl
g 0 run -n 2 lost.jsonl
says out "c200: done attempt 2"
[ "$(events lost.run lost)" = 1 ] || fail "$(events lost.run lost) workers were lost, not 1"
g 0 verify lost.run

# The only one is lost: what it had in a row is done by the next run.
{
    known
    echo '{"id": "c0", "function": "fill", "input": 3, "after": "k5"}'
    echo '{"id": "c1", "function": "check", "after": "c0"}'
    chain c 2 50
    echo '{"id": "c51", "function": "crash", "input": 1, "after": "c50"}'
    chain c 52 100
} >alone.jsonl
"$GANGER" run -n 1 alone.jsonl >out 2>err && fail "a run without workers ended well"
g 0 run -n 2 --resume alone.jsonl
says out "c100: done"
g 0 verify alone.run
