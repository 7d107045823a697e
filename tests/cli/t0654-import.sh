# `ganger import`: what it writes can be checked, changed and run; recognising is by content, from files and pipes.
. "$GANGER_SOURCE_DIR/tests/cli/lib.sh"

printf '\n# c\nTASK "a" -c 2 true\nTASK b true\nEDGE "a" b\n' >a.txt
g 0 import a.txt
same out '{"name":"a"}
{"id":"\"a\"","command":["true"],"cores":2}
{"id":"b","command":["true"],"after":["\"a\""]}'
mv out a.jsonl
g 0 check a.jsonl
says out "tasks          2"
says out "edges          1"
g 0 import a.txt --json -o a.json
same out ""
g 0 check a.json
says out "tasks          2"
g 0 check a.txt
says out "edges          1"

# From a pipe, and from one with a name.
status=0
"$GANGER" import - <a.txt >out 2>err || status=$?
[ $status = 0 ] || fail "import -: exit status $status"
says out '{"name":"stdin"}'
cat a.txt | "$GANGER" check - >out 2>err || fail "check - from a pipe"
says out "edges          1"
mkfifo pipe
cat a.txt >pipe &
"$GANGER" check pipe >out 2>err || fail "check of a named pipe"
says out "edges          1"
cat a.jsonl | "$GANGER" check - >out 2>err || fail "check - of our own format from a pipe"
says out "edges          1"

# A long first comment is read past.
{ seq -f '# %0100g' 3000; printf 'TASK a true\n'; } >comments.dag
g 0 check comments.dag
says out "tasks          1"

# A list of commands stays one, even if a command is called TASK.
printf 'TASK\nTASK 1\necho EDGE a b\n' >list.txt
g 0 check list.txt
says out "tasks          3"

# Warnings tell each kind once.
for i in 1 2 3; do echo "TASK t$i -c 0 true"; done >warn.dag
g 0 check warn.dag
says err "--request-cpus 0 became one core: a task occupies at least one (3 times, first at t1)"
[ "$(wc -l <err)" = 1 ] || fail "more than one line of warnings"

# The recorded commands of a trace, with its files: what one writes, the other waits for.
cat >trace.json <<'END'
{"name": "two", "schemaVersion": "1.5", "workflow": {
  "specification": {
    "tasks": [{"id": "last", "inputFiles": ["middle"], "outputFiles": ["end"]},
              {"id": "first", "inputFiles": ["start"], "outputFiles": ["middle"]}],
    "files": [{"id": "start", "sizeInBytes": 1}, {"id": "middle", "sizeInBytes": 1}, {"id": "end", "sizeInBytes": 1}]},
  "execution": {"tasks": [
    {"id": "last", "runtimeInSeconds": 1, "command": {"program": "cp", "arguments": ["middle", "end"]}},
    {"id": "first", "runtimeInSeconds": 2, "command": {"program": "sh", "arguments": ["-c", "cat start >middle"]}}]}}}
END
echo hello >start
g 0 run trace.json -n 2
same end hello
rm start middle end
g 1 run trace.json -n 2 --run-dir again.run --latency-wait 0
says err "start"
[ ! -e middle ] || fail "a task started without its input"

sed -i 's/"runtimeInSeconds": 2/"priority": -9223372036854775808, &/' trace.json
g 0 import trace.json
says err "priority is beyond 1e9, which is as far as they go here; left out (at first)"
says_not out priority

# A file's name is no reason to refuse what is in it.
odd=$(printf 'a\033[31m.dag')
cp warn.dag "$odd"
g 0 check "$odd"
says out "workflow       a?[31m"

# Nothing is quadratic: many tasks, many edges, all of them to one task and from one.
awk 'BEGIN { n = 200000; for (i = 0; i < n; i++) print "TASK t" i " true"
             for (i = 1; i + 1 < n; i++) print "EDGE t0 t" i "\nEDGE t" i " t" n - 1 }' >many.dag
g 0 check many.dag
says out "edges          399996"
