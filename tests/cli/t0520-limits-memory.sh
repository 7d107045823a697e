# A task that uses more memory than it states is ended with that cause, whoever of its processes does; others are unharmed.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [
  {"id": "within", "memory": "400MiB", "command": "head -c 100M /dev/zero | tail -c 100M | (sleep 0.5; cat >/dev/null)"},
  {"id": "silent", "command": "head -c 100M /dev/zero | tail -c 100M | (sleep 0.5; cat >/dev/null)"},
  {"id": "over", "memory": "50MiB", "command": "(head -c 200M /dev/zero | tail -c 200M | setsid sleep 2051) & sleep 2051"},
  {"id": "next", "after": {"task": "over", "on": "notok"}, "command": "true"}
]}
J
for rule in enforce watch; do
    rm -rf flow.run
    g 1 run flow.json -n 2 --memory-limit $rule
    says err "FAILED over"
    says err "it used more than it asked for"
    says err "of 50.0 MiB"
    grep -q '"event":"failed","task":"over".*"out_of_memory":true,"signal":9' flow.run/journal.jsonl || fail "$rule: not recorded"
    [ "$(events flow.run done)" = 3 ] || fail "$rule: others were harmed"
    says flow.run/run.json "\"memory_limit\": \"$rule\""
    says out "1 x out of memory"
    nothing_left "sleep 2051"
done
g 0 run --dry-run flow.json --memory-limit off
g 2 run flow.json --memory-limit of
says err "enforce, watch or off"

# So it is with isolated functions, of one core or more, added ones, and those that run for the second time because their
# worker died. A function that runs in its worker is not held to anything.
cat >functions.json <<'J'
{"tasks": [
  {"id": "within", "memory": "400MiB", "function": "hold_alone", "input": 100},
  {"id": "silent", "function": "hold_alone", "input": 200},
  {"id": "over", "memory": "50MiB", "function": "hold_alone", "input": 200},
  {"id": "wide", "memory": "50MiB", "function": "hold", "input": 200, "isolate": true, "cores": 2},
  {"id": "worker", "memory": "50MiB", "function": "hold", "input": 200},
  {"id": "adder", "function": "add_greedy"}
]}
J
cat >again.json <<'J'
{"tasks": [{"id": "again", "memory": "50MiB", "function": "crash_or_hold", "input": 200}]}
J
for how in "enforce local" "watch local" "watch thread"; do
    rm -rf functions.run
    # shellcheck disable=SC2086 # two words
    set -- $how
    GANGER=$FUNCTIONS g 1 run functions.json -n 2 --memory-limit "$1" --backend "$2"
    says out "done  4 of 7 tasks"
    for task in over wide greedy; do
        grep -q "\"event\":\"failed\",\"task\":\"$task\".*\"out_of_memory\":true,\"signal\":9.*of 50.0 MiB" functions.run/journal.jsonl ||
            fail "$how: $task was not held to its memory: $(grep "\"$task\"" functions.run/journal.jsonl)"
    done
    GANGER=$FUNCTIONS g 1 verify functions.run
    says out "sound so far"
done
rm -rf functions.run
GANGER=$FUNCTIONS g 0 run functions.json -n 2 --memory-limit off
GANGER=$FUNCTIONS g 1 run again.json -n 2
grep -q '"event":"failed","task":"again".*"attempt":2.*"out_of_memory":true' again.run/journal.jsonl || fail "the second attempt was not held to its memory"

# in_group GROUP WORD...: ganger alone in a control group.
in_group() {
    local group=$1
    shift
    timeout -s KILL "$limit" sh -c 'echo 0 >"$1/cgroup.procs"; shift; exec "$@"' sh $group "$GANGER" "$@" >out 2>err
}

# By a control group, where the kernel has version 2 and this user may make some: a leap that no look would see.
group=/sys/fs/cgroup/ganger-test-$$
if mkdir $group 2>/dev/null && grep -qw memory $group/cgroup.controllers; then
    python3 -c 'import os, sys; os.setxattr(sys.argv[1], "trusted.delegate", b"1")' $group || fail "no mark for $group"
    printf '%s\n' '{"id": "over", "memory": "50MiB", "command": "head -c 200M /dev/zero | tail -c 200M; echo $?"}' >leap.jsonl
    in_group $group run leap.jsonl -n 1
    [ $? = 1 ] || fail "in a control group: exit status $?"
    says err "it used more than it asked for: 55.0 MiB of 50.0 MiB"
    rmdir $group/* $group 2>/dev/null
else
    rmdir $group 2>/dev/null
    echo "NOT TESTED: limits by control groups: no version 2 with memory here, or no right to make groups" >&2
fi

# What the kernel kills at a limit that is not the task's own (version 1: of a group around the whole run).
group=/sys/fs/cgroup/memory/ganger-test-$$
if mkdir $group 2>/dev/null && echo 300M 2>/dev/null >$group/memory.limit_in_bytes; then
    echo 'sleep 0.2; head -c 900M /dev/zero | tail -c 900M >/dev/null; exit $?' >killed.txt
    in_group $group run killed.txt -n 1
    [ $? = 1 ] || fail "the kernel's kill: exit status $?"
    says err "out of memory: the kernel killed it"
    rmdir $group
else
    echo "NOT TESTED: kills of the kernel: no control groups of version 1 here, or no right to make any" >&2
fi
