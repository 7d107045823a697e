# Functions as tasks: from a file and from C, with results, over mpirun, in threads and in one thread, with equal results and
# journals that prove the run.
. "${BASH_SOURCE%/*}/lib.sh"
GANGER=$FUNCTIONS
one_process=thread # what needs ThreadSanitizer is in t0505: it does not know mpirun, nor abandoned threads

# What a journal says was done, without who, where and when.
done_of() { grep -o '\["[^"]*",[0-9]*,1,"[0-9a-f]*",[0-9]*,[0-9]*,[^]]*\]' "$1/journal.jsonl" | awk -F, '{ print $1, $2, $4, $7 }' | sort; }

for backend in local thread none; do
    g 0 run -q --backend $backend -d $backend.run -- 100
    says out "sum: done 328350"
    g 0 verify $backend.run
    says out "101: 101 done"
    done_of $backend.run >$backend.done
    [ "$(wc -l <$backend.done)" = 101 ] || fail "the journal has not each of 101 tasks once"
    diff local.done $backend.done >out || fail "the journals of local (<) and $backend (>) differ"
done
g 0 run -q --backend local -n 3 -- 100 squares
[ -e functions-program.run/journal.jsonl ] || fail "the run directory is not called after the program"

# Commands of the program without a file, and of ganger with the run.
g 0 check -- 7
says out "8 tasks"
g 0 graph --dot -- 3
says out '"sum"'
g 2 run -d bad.run -- none
says err "the workflow that"
says err '"none" is no number of tasks'
FINISHED_SAYS=7 g 7 run -q --backend none -d says.run -- 1

# Dependencies come in declared order, each once; a command and what failed have no result.
g 0 run -q --backend $one_process -n 2 -d order.run -- 1 order
says out "joined: done a - c -"

# What the program takes out again is bridged, and results come as if it had never been there. A condition that an update
# has added counts.
g 0 run -q --backend thread -n 2 -d changed.run -- 1 changed
says out "joined: done b a"
says out "mends: not needed"
g 0 check -- 1 changed
says out "tasks          4"
g 0 verify changed.run

# What functions print comes out, once, whatever runs them; that of an isolated one is kept, and does not.
echo '{"tasks": [{"id": "p{i}", "for": {"i": "1-3"}, "function": "say_pid"}, {"id": "alone", "function": "alone"}]}' >print.json
for backend in none thread local; do
    rm -rf print.run
    g 0 run -q --backend $backend print.json
    [ "$(grep -c '^hello from p[123]$' out)" = 3 ] || fail "$backend: three functions printed: $(cat out)"
    says_not out "hello from alone"
    g 0 logs print.run alone
    same out "hello from alone"
done

# A workflow is put together from parts; one that does not fit changes nothing.
g 0 run -q --backend thread -n 2 -d merged.run -- 1 merged
says out "last: done ours theirs theirs"
g 0 check -- 1 merged
says out "tasks          4"
g 0 verify merged.run
g 0 run -q --resume --backend thread -n 2 -d merged.run -- 1 merged
g 0 check -- 1 cyclic
says err "without the second part: tasks would wait for each other in a cycle"
says err "gathered -> last -> gathered; nothing was changed"
says out "tasks          3"

# A file: any input, `for`, wildcards.
cat >flow.json <<'FLOW'
{"tasks": [
    {"id": "e.{i}", "for": {"i": ["x", "y"]}, "function": "echo", "input": {"b": [1, "{i}", null], "a": 2.5}},
    {"id": "all", "function": "join", "after": ["e.*"], "keep": true},
    {"id": "none", "function": "echo"},
    {"id": "then", "command": "echo done", "after": "all"}
]}
FLOW
g 0 run -q flow.json
says out 'all: done {"b":[1,"x",null],"a":2.5} {"b":[1,"y",null],"a":2.5}'
g 0 logs flow.run then
same out "done"
g 0 verify flow.run

# The same file without the functions.
"$GANGER" help run >out
says out "--plugin FILE"
GANGER=${GANGER%/tests/*}/bin/ganger
g 0 check flow.json
g 2 run flow.json -d other.run
says err 'the workflow asks for the function "echo", which this program does not have'
