# Functions that fail, crash, hang, leave or return too much cost themselves, and a crash its worker; isolated ones not even
# that.
. "${BASH_SOURCE%/*}/lib.sh"
GANGER=$FUNCTIONS
one_process=thread # what needs ThreadSanitizer is in t0505: it does not know mpirun, nor abandoned threads

cat >flow.json <<'FLOW'
{"tasks": [
    {"id": "refused", "function": "refuse"},
    {"id": "crash", "function": "crash", "input": 1},
    {"id": "always", "function": "crash", "input": 2},
    {"id": "hangs", "function": "nap", "input": 3600000, "timeout": 0.3},
    {"id": "killed", "function": "nap", "input": 3600000, "timeout": 0.3, "isolate": true},
    {"id": "leaves", "function": "leave", "input": 5, "isolate": true},
    {"id": "large", "function": "fill", "input": 65537},
    {"id": "alone", "function": "alone"},
    {"id": "after", "function": "join", "after": ["crash", "alone"]},
    {"id": "not", "function": "join", "after": "large"}
]}
FLOW
g 1 run -n 4 flow.json
says err "FAILED refused"
says err "its function returned 3: no luck with refused"
says err "its function returned 255: its result has more than 65536 bytes"
says err "FAILED hangs"
says err "ended at its timeout"
says err "a function did not return within its timeout"
says err "its function returned 5: its process ended before the function returned"
says out "after: done attempt 2"
says out "always: failed"
says out "killed: failed"
says out "not: skipped"
[ "$(events flow.run lost)" = 2 ] || fail "$(events flow.run lost) workers were lost, not 2"
grep -q '"task":"always".*"attempt":2.*"signal":6' flow.run/journal.jsonl || fail "the second attempt of a crash was not isolated"
"$GANGER" logs flow.run alone >logged || fail "no output of an isolated function"
same logged "hello from alone"
g 1 verify flow.run
says out "sound so far"

# In one process: the same but for crashes.
grep -v -e crash flow.json >mild.json
g 1 run --backend $one_process -n 2 mild.json
says out "hangs: failed"
says out "alone: done"
says out "killed: failed"

# All sizes of results around the limits arrive whole.
g 0 run -q -n 2 -d sizes.run -- 1 sizes
for n in 0 1 4095 4096 4097 65535 65536; do says out "$n: done $n"; done
