# Replays of traces: every task once, none before its parents, files of the recorded sizes. With GANGER_WORKFLOWS, a
# folder with wfformat/*.json and reference-makespans.tsv, two real traces must come within 5 % of the reference.
. "$GANGER_SOURCE_DIR/tests/cli/lib.sh"
forks=64

# A trace in the shape of a mosaic: m projections, a difference for each two neighbours, one fit of all, m corrections,
# one sum. And a fork and join. Times are in recorded seconds, sizes up to 20 GB.
make_traces() {
    awk -v m=12 'BEGIN {
        printf "{\"name\": \"mosaic\", \"schemaVersion\": \"1.5\", \"workflow\": {\"specification\": {\"tasks\": ["
        for (i = 0; i < m; i++) {
            task("project" i, "", "\"raw" i "\",\"header\"", "\"flat" i "\"", 3 + i % 4)
            size("raw" i, 2000000000 + i)
            size("flat" i, 20000000000 + i)
        }
        for (i = 0; i + 1 < m; i++) {
            task("differ" i, "\"project" i "\",\"project" (i + 1) "\"", "\"flat" i "\",\"flat" (i + 1) "\"",
                 "\"sub/difference" i "\"", 1 + i % 2)
            size("sub/difference" i, i)
            all = all comma "\"differ" i "\""; ins = ins comma "\"sub/difference" i "\""; comma = ","
        }
        task("fit", all, ins, "\"../fits\"", 4)
        size("../fits", 77)
        size("header", 0)
        all = ins = comma = ""
        for (i = 0; i < m; i++) {
            task("correct" i, "\"fit\",\"project" i "\"", "\"../fits\",\"flat" i "\"", "\"done" i "\"", 2)
            size("done" i, 5)
            all = all comma "\"correct" i "\""; ins = ins comma "\"done" i "\""; comma = ","
        }
        task("sum", all, ins, "\"mosaic\"", 5)
        size("mosaic", 1)
        printf "],\n\"files\": [%s]}, \"execution\": {\"makespanInSeconds\": 1, \"tasks\": [%s]}}}\n", files, runs
    }
    function task(id, parents, inputs, outputs, s) {
        printf "%s\n{\"id\":\"%s\",\"name\":\"%s\",\"parents\":[%s],\"inputFiles\":[%s],\"outputFiles\":[%s]}",
               (n++ ? "," : ""), id, id, parents, inputs, outputs
        runs = runs (n > 1 ? "," : "") sprintf("\n{\"id\":\"%s\",\"runtimeInSeconds\":%d,\"coreCount\":1," \
               "\"command\":{\"program\":\"p\",\"arguments\":[]}}", id, s)
    }
    function size(id, bytes) {
        files = files (files == "" ? "" : ",") sprintf("\n{\"id\":\"%s\",\"sizeInBytes\":%.0f}", id, bytes)
    }' >mosaic.json
    awk -v n=$forks 'BEGIN {
        printf "{\"schemaVersion\":\"1.3\",\"workflow\":{\"tasks\":[{\"name\":\"fork\",\"runtime\":1,"
        printf "\"files\":[{\"link\":\"output\",\"name\":\"parts\",\"size\":9}]}"
        for (i = 0; i < n; i++) {
            printf ",\n{\"name\":\"branch%d\",\"runtime\":1,\"files\":[", i
            printf "{\"link\":\"input\",\"name\":\"parts\",\"size\":9},"
            printf "{\"link\":\"output\",\"name\":\"part%d\",\"size\":%d}]}", i, i
            inputs = inputs sprintf("{\"link\":\"input\",\"name\":\"part%d\"},", i)
        }
        printf ",\n{\"name\":\"join\",\"runtime\":1,\"files\":[%s", inputs
        printf "{\"link\":\"output\",\"name\":\"end\",\"size\":3}]}]}}\n"
    }' >forkjoin.json
}

# makespan RUN FLOW.jsonl: checks each task and the order; prints the makespan.
makespan() { awk -f "$GANGER_SOURCE_DIR/bench/replay.awk" "$2" "$1/journal.jsonl" || fail "$1 is not as it must be"; }

# between X LEAST MOST
between() { awk -v x="$1" -v a="$2" -v b="$3" 'BEGIN { exit !(x >= a && x <= b) }' || fail "$1 is not within $2..$3"; }

make_traces

# 12 + 11 + 1 + 12 + 1 tasks, 22 recorded seconds on the longest way: 6 + 2 + 4 + 2 + 5 = 19 at least.
g 0 import mosaic.json --replay 0.05 -o mosaic.jsonl
g 0 run mosaic.json -n 4 --replay 0.05
[ "$(events mosaic.run done)" = 37 ] || fail "not every task of the mosaic was done once"
between "$(makespan mosaic.run mosaic.jsonl)" 0.9 15
g 0 verify mosaic.run
says out "37 done"
sizes=$(cd mosaic.replay && stat -c %s raw3 flat11 sub/difference7 header | tr '\n' ' ')
[ "$sizes" = "2000000003 20000000011 7 0 " ] || fail "files have other sizes: $(ls -l mosaic.replay)"
[ "$(du -sk mosaic.replay | cut -f1)" -lt 2000 ] || fail "sparse files take room"
[ ! -e fits ] && [ -n "$(find mosaic.replay -name '*fits')" ] || fail "a file left the folder of the replay"

# In old versions tasks have names and their files; links of files are edges, too.
g 0 import forkjoin.json --replay 0.1 -o forkjoin.jsonl
g 0 run forkjoin.json -n 8 --replay 0.1 --replay-dir files
between "$(makespan forkjoin.run forkjoin.jsonl)" 0.9 15
[ "$(stat -c %s files/parts files/part63 files/end | tr '\n' ' ')" = "9 63 3 " ] || fail "files have other sizes"

# What is missing is noticed: stand-ins look for their inputs.
rm -f files/parts
status=0
"$(dirname "$GANGER")/ganger-replay" --dir files --sleep 0 -i 9:parts -o 1:x 2>err || status=$?
[ $status = 1 ] || fail "a missing input: exit status $status"
says err "cannot find the input files/parts"
[ ! -e files/x ] || fail "it went on without its input"
printf 12345678 >files/parts
"$(dirname "$GANGER")/ganger-replay" --dir files --sleep 0 -i 9:parts 2>err && fail "an input of another size"
says err "has 8 bytes, not 9"

# Spinning uses the time on each core; full files hold bytes; the same bytes wherever they are made.
"$(dirname "$GANGER")/ganger-replay" --dir full --full --make -o 100000:in || fail "cannot make full files"
cp full/in first
rm full/in
"$(dirname "$GANGER")/ganger-replay" --dir full --full --make -o 100000:in && cmp first full/in || fail "other bytes"
[ "$(gzip -c first | wc -c)" -gt 99000 ] || fail "full files can be compressed"
used=$({ TIMEFORMAT="%U %S"; time "$(dirname "$GANGER")/ganger-replay" --spin 0.2 --cores 2; } 2>&1)
between "$(echo "$used" | awk '{ print $1 + $2 }')" 0.39 10

# Without files, and with the recorded commands.
g 0 run forkjoin.json -n 4 --replay 0.01 --replay-files none --run-dir none.run
[ ! -e forkjoin.replay ] || fail "--replay-files none made a folder"
g 2 check forkjoin.json
says err 'has no recorded command'
g 2 graph forkjoin.json
says err '--replay SCALE'
g 0 graph forkjoin.json --replay 1
says out digraph

if [ -n "${GANGER_WORKFLOWS:-}" ]; then
    "$GANGER_SOURCE_DIR/bench/replay.sh" -g "$GANGER" -w 8 "$GANGER_WORKFLOWS" montage-chameleon-2mass seismology ||
        fail "a real trace takes more than 5 % longer than the reference"
else
    echo "GANGER_WORKFLOWS is not set: no real traces were replayed"
fi
