# Files of other formats that cannot be imported: each is refused with its place and a remedy, by every command.
. "$GANGER_SOURCE_DIR/tests/cli/lib.sh"

# refused FILE TEXT: by import and by check, with status 2.
refused() {
    g 2 import "$1"
    says err "$2"
    same out ""
    g 2 check "$1"
    says err "$2"
}

printf 'TASK A true\nEDGE A B\n' >edge.dag
refused edge.dag 'edge.dag:2: EDGE names "B", which no TASK above it is called'
printf '# x\nTASK A -x 1 true\n' >option.dag
refused option.dag 'option.dag:2: task "A": "-x" is no option of a TASK'
printf 'TASK A -p 2000000000 true\n' >priority.dag
refused priority.dag 'priority.dag:1: task "A": --priority takes a whole number from -1000000000 to 1000000000'
printf 'TASK A\302\233 true\n' >control.dag
refused control.dag 'id "A??" (3 bytes) holds control characters'
printf 'TASK A true\nTASK B false\nsleep 1\n' >stray.dag
refused stray.dag 'stray.dag:3: "sleep" begins no record'
printf 'TASK A -m 10 \377\n' >bytes.dag
refused bytes.dag 'not UTF-8'

echo '{"name":"x","workflow":{"specification":{"tasks":[{"id":"a","parents":["b"]}]}}}' >parent.json
refused parent.json 'task "a": "parents" names "b"'
echo '{"name":"x","schemaVersion":"9","workflow":{"tasks":[{"id":"a"}]}}' >version.json
refused version.json 'WfFormat "9" is not known'
echo '{"name":"x","schemaVersion":"1.5","workflow":{"specification":{"tasks":[{"id":"a"}]}}}' >command.json
refused command.json 'has no recorded command; --replay SCALE runs stand-ins'
printf '{"name":"x",\n"workflow":{"specification"' >cut.json
refused cut.json 'cut.json:2: '

# Replays that cannot be.
echo '{"name":"x","schemaVersion":"1.5","workflow":{"specification":{"tasks":[{"id":"a"}]},
"execution":{"tasks":[{"id":"a","runtimeInSeconds":5}]}}}' >trace.json
g 0 check trace.json --replay 1
g 2 check trace.json --replay 1e300
says err 'task "a" would be replayed for 5e+300 s'
g 2 check trace.json --replay 1 --replay-dir ""
says err 'the path of --replay-dir, "", is empty'
odd=$(printf 'n\351')
g 2 check trace.json --replay 1 --replay-dir "$odd"
says err "is not UTF-8; name another"
cp trace.json "$odd.json"
g 0 check "$odd.json" --replay 1
mkdir "$odd"
ln "$GANGER" "$(dirname "$GANGER")"/ganger-* "$odd" 2>/dev/null || cp "$GANGER" "$(dirname "$GANGER")"/ganger-* "$odd"
status=0
"$odd/ganger" check trace.json --replay 1 >out 2>err || status=$?
[ $status = 2 ] || fail "check: exit status $status"
says err "is not UTF-8; install ganger elsewhere"
printf 'TASK A -f X=y true\n' >forward.dag
"$odd/ganger" check forward.dag >out 2>err && fail "a path that cannot be written"
says err 'forward.dag:1: task "A": it forwards what it writes, and the path of ganger-forward'

# What is ours is not imported, nor replayed.
echo 'echo one' >list.txt
g 2 import list.txt
says err "there is nothing to import"
g 2 run list.txt --replay 1
says err "records no run times"
g 2 run edge.dag --replay 1
says err "records no run times"
g 2 import no-such-file
says err "no-such-file"
g 2 import .
g 2 import edge.dag option.dag
says err "one file at a time"

# The options of a replay.
echo '{"workflow":{"specification":{"tasks":[{"id":"a"}]}}}' >trace.json
for bad in 0 -1 x 1x nan; do
    g 2 import trace.json --replay $bad
    says err "takes a number above 0"
done
g 2 import trace.json --replay 1 --replay-mode dance
says err "--replay-mode takes sleep or spin"
g 2 import trace.json --replay 1 --replay-files some
says err "--replay-files takes sparse, full or none"
g 2 import trace.json --replay-mode spin
says err "need --replay SCALE"
