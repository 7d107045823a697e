# `ganger logs` finds what tasks wrote also where the journal does not tell.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [{"id": "a", "command": "echo from a"}, {"id": "b", "command": "echo from b", "after": "a"},
           {"id": "c", "command": "echo from c", "after": "b"}]}
J
g 0 run flow.json -n 1
cp -r flow.run good
again() { rm -rf flow.run; cp -r good flow.run; }
all="==> a <==
from a

==> b <==
from b

==> c <==
from c"

# Torn wherever it may be, all is found; of what has no start any more, only the id is not known.
size=$(stat -c %s good/journal.jsonl)
for part in 1 2 3 4 5 6 7 8 9; do
    again
    truncate -s $((size * part / 10)) flow.run/journal.jsonl
    g 0 logs flow.run
    for text in "from a" "from b" "from c"; do
        [ "$(grep -c "$text" out)" = 1 ] || fail "torn at $part/10: not once: $text"
    done
done

again; sed -i '/"done","task":"b"/d; /"end"/d' flow.run/journal.jsonl # killed before the end was written
g 0 logs flow.run
same out "$all"
says err 'task "b": no end of attempt 1 (epoch 1) is recorded'
g 0 logs flow.run b
same out "from b"
g 0 logs flow.run b --attempt 1 --stderr
same out ""
g 2 logs flow.run b --attempt 2
g 0 logs flow.run --list
grep -q '^b  *1 started  *-  *7$' out || fail "the table does not tell of b"

again; sed -i 's/"done","task":"b"/"done","task":"B"/' flow.run/journal.jsonl # its checksum is wrong
g 0 logs flow.run
same out "$all"
says err "damaged lines are ignored: 1"

again; rm flow.run/journal.jsonl
g 0 logs flow.run
says err "is missing"
says out "==> task 1 of epoch 1 <=="
says out "from b"

again; printf x | dd of=flow.run/output/1-n0.out bs=1 seek=60 conv=notrunc 2> /dev/null # the header of b's chunk
g 1 logs flow.run
says out "from a"
says_not out "from b"
says out "from c"
says err 'task "b": '
says err "1-n0.out: the chunk of output at byte 47 (47 bytes)"

# What goes on is shown as far as it is.
cat > slow.json <<'J'
{"tasks": [{"id": "slow", "command": "echo begun; until test -e go; do sleep 0.1; done; echo over"},
           {"id": "next", "command": "echo next; exit 3", "after": "slow"}]}
J
"$GANGER" run slow.json -n 1 > /dev/null 2>&1 &
until_started slow.run 1
for i in $(seq 100); do
    [ -s slow.run/output/1-n0.out ] && break
    sleep 0.1
done
g 0 logs slow.run slow
same out begun
says err "no end"
touch go
wait $! && fail "the run ended well"
g 0 logs slow.run slow
same out "begun
over"
same err ""

g 0 logs slow.run --failed
same out "==> next <==
next"
g 0 logs slow.run --failed slow
same out ""
g 0 logs slow.run --list --failed
says out "exit status 3"
says_not out "slow "
g 0 logs slow.run --json next
same out '{"task":"next","epoch":1,"attempt":1,"state":"failed","bytes":5,"end":"exit status 3","code":3}'

# What was cut off is older than what was done later, however many attempts there were.
cat > later.json <<'J'
{"tasks": [{"id": "a", "command": "test -e gone && echo second || { echo first; exit 3; }", "retries": 1}]}
J
g 1 run later.json -n 1
sed -i '/"event":"start".*"attempt":2/d; /"event":"failed"/d; /"event":"end"/d' later.run/journal.jsonl # killed
touch gone
g 0 run later.json -n 1 --resume
g 0 logs later.run a
same out second
g 0 logs later.run --list
grep -q '^a  *1 done ' out || fail "the table does not tell that a is done"
g 0 logs later.run a --attempt 2
same out first
