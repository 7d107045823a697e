# The disk of the run directory is full, for each of its files: the run starts nothing more, says so, and goes on when there
# is room again. Nothing that was recorded is wrong. (A real file system, in a mount namespace of this test's own.)
. "${BASH_SOURCE%/*}/lib.sh"

if [ -z "${IN_NAMESPACE:-}" ]; then
    user=$([ "$(id -u)" = 0 ] || echo -Ur)
    if ! unshare -m $user true 2>/dev/null; then
        echo "NOT TESTED: a full disk: mount namespaces are not allowed here" >&2
        exit 77
    fi
    IN_NAMESPACE=1 exec unshare -m $user bash "$0"
fi

mkdir disk
mount -t tmpfs -o size=1m none disk || fail "no tmpfs"
room() { mount -o remount,size=$1 disk || fail "remount"; }
fill() { cat /dev/zero >disk/filler 2>/dev/null; }
fresh() { rm -rf disk/*; room 1m; }

# What a task writes.
cat >loud.json <<'J'
{"tasks": [{"id": "quiet", "command": "echo quiet >> ran"},
           {"id": "loud", "command": "head -c 3000000 /dev/zero", "after": "quiet"},
           {"id": "next", "command": "echo next >> ran", "after": {"task": "loud", "on": "any"}}]}
J
g 3 run loud.json -n 2 --run-dir disk/run
says err "output/1-n0.out"
says err "No space left on device"
says err "make room"
says err "\`--resume\` continues the run"
says err "Nothing more is started"
says disk/run/journal.jsonl '"output_lost":true,"errno":28'
[ ! -e disk/run/lock ] || fail "the lock is left"
g 3 run loud.json -n 2 --run-dir disk/run --resume # there still is none
room 16m
g 0 run loud.json -n 2 --run-dir disk/run --resume
g 0 verify disk/run
same ran "$(printf 'quiet\nnext')"

# The journal. The first tasks are recorded; then one fills the disk.
fresh
rm -f ran
{ seq 20 | sed 's/.*/echo & >> ran/'; echo 'sleep 0.1; cat /dev/zero > disk/filler 2>/dev/null; true'; seq 22 400 | sed 's/.*/echo & >> ran/'; } >tasks.txt
g 3 run tasks.txt -n 1 --run-dir disk/run
says err "journal.jsonl: cannot write the journal: No space left on device"
says err "make room"
says err "runs again with \`--resume\`"
[ "$(wc -l <ran)" -lt 399 ] || fail "it went on without a journal"
n_done=$(events disk/run done)
[ "$n_done" -ge 20 ] || fail "only $n_done recorded"
rm disk/filler
mv ran ran1
g 0 run tasks.txt -n 1 --run-dir disk/run --resume
g 0 verify disk/run
cat ran1 ran | sort -n | uniq >after
{ seq 20; seq 22 400; } | cmp - after || fail "not all ran"
for i in $(seq 20); do ! grep -qx "$i" ran || fail "$i was recorded, and ran again"; done

# Everything: before anything runs.
fresh
fill
rm -f ran
echo 'echo once >> ran' >tasks.txt
status=0
timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 1 --run-dir disk/run >out 2>err || status=$?
[ $status = 2 ] || [ $status = 3 ] || fail "no room at all: exit status $status"
says err "No space left on device"
[ ! -e ran ] || fail "it ran without a journal"
rm disk/filler
[ -e disk/run/journal.jsonl ] && resume=--resume || resume=
g 0 run tasks.txt -n 1 --run-dir disk/run $resume
same ran once

# A file system that is read-only.
mount -o remount,ro disk
g 3 run tasks.txt -n 1 --run-dir disk/run --resume
says err "Read-only file system"
mount -o remount,rw disk
g 0 run tasks.txt -n 1 --run-dir disk/run --resume
umount disk
