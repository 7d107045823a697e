# `ganger verify` finds each kind of tampering. Whole lines are moved and removed, so that their checksums stay right.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [{"id": "a", "command": "echo one"}, {"id": "b", "command": "echo two", "after": "a"},
           {"id": "c", "command": "echo three >&2", "after": "b"}, {"id": "d", "command": "true", "after": "c"}]}
J
g 0 run flow.json -n 1
g 0 verify flow.run
cp -r flow.run good

# Each case starts from the sound run.
again() { rm -rf flow.run; cp -r good flow.run; }
journal=flow.run/journal.jsonl
output=flow.run/output/1-n0.out

# refuted TEXT: it is told.
refuted() {
    g 1 verify flow.run
    says out "$1"
    says out "not sound"
}

again; sed -i '4s/"a"/"x"/' $journal
refuted "journal line 4: damaged or torn"
again; printf '{"event":"done"' >> $journal
refuted "damaged or torn"
again; sed -i '/^{"event":"done","task":"c"/d' $journal
refuted 'epoch 1 ended, but task "c" did not'
refuted 'task "d" was started before c had ended'
again; sed -i '/^{"event":"start","task":"c"/d' $journal
refuted 'task "c" ended (done), but was not started'
again; sed -i '/^{"event":"end"/d' $journal # as if killed: nothing wrong
g 0 verify flow.run
says out "1 epochs that were cut off"
again; sed -i '/^{"event":"run"/d' $journal
g 2 verify flow.run
says err "this is no journal"
again # b's start before a's end
grep -n '^{"event":"start","task":"b"' $journal | cut -d: -f1 > at
line=$(sed -n "$(cat at)p" $journal)
sed -i "$(cat at)d" $journal
sed -i "/^{\"event\":\"done\",\"task\":\"a\"/i\\$(printf '%s' "$line" | sed 's/\\/\\\\/g')" $journal
refuted 'task "b" was started before a had ended'
again # c twice
grep '"task":"c"' good/journal.jsonl > twice
sed -i '/^{"event":"done","task":"c"/r twice' $journal
refuted 'task "c" was started again though it was done'

again; printf x | dd of=$output bs=1 seek=41 conv=notrunc 2> /dev/null
refuted "is damaged: its hash is wrong"
refuted "the task wrote 4 bytes, and 0 of them"
again; printf x | dd of=$output bs=1 seek=4 conv=notrunc 2> /dev/null
refuted "is no chunk"
again; truncate -s -1 $output
refuted "is torn"
again; truncate -s +100 $output # nobody's, and nothing
g 0 verify flow.run
says out "1 holes of 100 bytes"
again # the same, when its task was cut off with the run
sed -i '/^{"event":"end"/d; /"task":"d"/d; /^{"event":"done","task":"c"/d' $journal
truncate -s -1 $output
g 1 verify flow.run
says out "1 chunks that were not finished"
says_not out problem
truncate -s -7 $output # within its header
g 1 verify flow.run
says_not out problem
again; echo junk >> $output
refuted "is no chunk"
again; dd if=/dev/zero of=$output bs=1 count=44 conv=notrunc 2> /dev/null # as if it had not reached the disk
refuted "the task wrote 4 bytes, and 0 of them"
again; rm $output
refuted "the task wrote 4 bytes, and 0 of them"
again; mv $output flow.run/output/1-n1.out
refuted "the file was moved"
again; cp $output flow.run/output/2-n0.out
refuted "is of another run or node"
again; sed -i '/"task":"b"/d' $journal
refuted "of which the journal knows nothing"

again; sed -i 's/echo three/echo four!/' flow.json
g 1 verify flow.run
says out "no epoch ran the workflow as it is now"

# A path is any bytes; JSON takes UTF-8 only.
odd=$(printf 'r\351sum\351.run')
cp -r flow.run "$odd"
g 1 verify "$odd" --json
says out '"run": "'
says out '"proven": false'
