# Task graphs of Pegasus MPI Cluster run as it documents them, without the defects it is known for.
. "$GANGER_SOURCE_DIR/tests/cli/lib.sh"

# of RUN KIND TASK: the journal's lines of that kind for the task.
of() { grep -c "^{\"event\":\"$2\",\"task\":\"$3\"" "$1/journal.jsonl"; }

# order RUN: the tasks in the order in which they ended, on one line.
order() { sed -n 's/^{"event":"done","task":"\([^"]*\)".*/\1/p' "$1/journal.jsonl" | tr '\n' ' '; }

# Dependencies and quoting.
cat >diamond.dag <<'END'
# A comment; then the shape of a diamond, one edge of it said twice.
TASK A /bin/echo "I am"   'A, quoted' \"
TASK B sh -c "echo $GANGER_TASK_ID of $GANGER_CORES"
#@ 7 concat:1.0 ID000C
TASK	C -c 2 echo C
TASK D echo D

EDGE A B
EDGE A C
EDGE A B
EDGE B D
EDGE C D
END
g 0 run diamond.dag -n 2
says err "an EDGE stands there more than once"
[ "$(events diamond.run done)" = 4 ] || fail "not every task was done once"
case $(order diamond.run) in
"A B C D " | "A C B D ") ;;
*) fail "the order is $(order diamond.run)" ;;
esac
g 0 logs diamond.run A
same out 'I am A, quoted "'
g 0 logs diamond.run B
same out "B of 1"
grep -q '"task":"C".*"slots":\[0,1\]' diamond.run/journal.jsonl || fail "C did not get two cores"

# A failure: what needs it does not run, the rest does; the same of a program that is not there.
cat >fail.dag <<'END'
TASK OK /bin/true
TASK FAIL /bin/false
TASK NO /bin/true
TASK FAIL2 /no/such/program
EDGE OK FAIL
EDGE FAIL NO
END
g 1 run fail.dag -n 2
[ "$(of fail.run done OK)" = 1 ] && [ "$(of fail.run failed FAIL)" = 1 ] && [ "$(of fail.run failed FAIL2)" = 1 ] ||
    fail "fail.dag did not run as it should"
[ "$(of fail.run start NO)" = 0 ] || fail "a task ran although its parent had failed"

# Tries: so many attempts in all.
cat >tries.dag <<'END'
TASK A --tries 2 sh -c "echo x >>a.txt; test $(wc -l <a.txt) -ge 2"
TASK B -t 5 sh -c "echo x >>b.txt; false"
TASK C sh -c "echo x >>c.txt; false"
TASK D true
EDGE A B
EDGE A C
EDGE B D
EDGE C D
END
g 1 run tries.dag -n 2
[ "$(wc -l <a.txt)/$(wc -l <b.txt)/$(wc -l <c.txt)" = 2/5/1 ] ||
    fail "attempts of A, B, C: $(wc -l <a.txt)/$(wc -l <b.txt)/$(wc -l <c.txt), not 2/5/1"
[ "$(of tries.run start D)" = 0 ] || fail "D ran although B and C had failed"

# Priorities: higher first, on one worker.
cat >priority.dag <<'END'
TASK N -p -5 -c 1 true
TASK O -p -4 -c 1 true
TASK I -p 9 -c 1 true
TASK E -p 7 -c 1 true
TASK D -p 8 -c 1 true
TASK G -p 10 -c 1 true
END
g 0 run priority.dag -n 1
[ "$(order priority.run)" = "G I D E O N " ] || fail "by priority: $(order priority.run)"

# Memory and cores, parts of them rounded up.
cat >amounts.dag <<'END'
TASK A -m 99.1 --request-cpus 1.1 true
TASK B --request-memory 100 true
EDGE A B
END
g 0 run amounts.dag -n 2
g 0 import amounts.dag
says out '"cores":2,"memory":104857600'

# What tasks forward comes together whole; a failed attempt leaves nothing, a retried one leaves it once.
cat >forward.dag <<'END'
TASK A -f FOO=./foo.txt ./forward.sh FOO
TASK B --pipe-forward BAR=./bar.txt ./forward.sh BAR
TASK C -f FOO=./foo.txt -f BAR=./bar.txt -t 2 ./forward.sh FOO BAR fail-once
TASK D -f BAZ=./baz.txt ./forward.sh
TASK E -f FOO=./foo.txt ./forward.sh FOO fail
TASK F -F part=./file.txt sh -c "echo from F >part"
END
cat >forward.sh <<'END'
#!/bin/sh
for word; do
    case $word in
    fail) exit 1 ;;
    fail-once) [ "$GANGER_ATTEMPT" = 2 ] || exit 1 ;;
    *) eval "fd=\$$word"; echo "$GANGER_TASK_ID wrote to $word" >&"$fd" ;;
    esac
done
END
chmod +x forward.sh
g 1 run forward.dag -n 2
[ "$(sort foo.txt)" = "A wrote to FOO
C wrote to FOO" ] || fail "foo.txt: $(cat foo.txt)"
[ "$(sort bar.txt)" = "B wrote to BAR
C wrote to BAR" ] || fail "bar.txt: $(cat bar.txt)"
same file.txt "from F"
[ ! -e baz.txt ] && [ ! -e part ] || fail "forwarding left files that it should not"

# Many at once on few workers.
for i in $(seq 16); do echo "TASK w$i /bin/sleep 0.1"; done >wide.dag
g 0 run wide.dag -n 4
[ "$(events wide.run done)" = 16 ] || fail "not all of the wide ones were done"

# --max-failures is exact: with one worker one task fails and no other starts.
for i in 1 2 3 4 5; do echo "TASK f$i false"; done >failing.dag
g 1 run failing.dag -n 1 --max-failures 1
[ "$(events failing.run start)" = 1 ] || fail "--max-failures 1 let $(events failing.run start) tasks start"

# A circle is told before anything runs.
printf 'TASK A touch a-ran\nTASK B true\nTASK C touch c-ran\nEDGE A B\nEDGE B A\n' >circle.dag
g 2 run circle.dag -n 1
says err "A"
says err "cycle"
[ ! -e c-ran ] && [ ! -e circle.run/journal.jsonl ] || fail "something ran of a workflow with a circle"

# A name of 3000 bytes is refused in words.
printf 'TASK %03000d true\n' 0 >long.dag
g 2 run long.dag -n 1
says err "long.dag:1: the task's id"
says err "is longer than 255 bytes"
