# A worker is killed: what it ran runs elsewhere, and the run goes on; without any worker it ends with 3.
. "${BASH_SOURCE%/*}/lib.sh"

case $("$GANGER" --version) in
*"Open MPI"*) ;;
*) echo "other launchers end all ranks by themselves: see t0211"; exit 0 ;;
esac

find_worker() { # find_worker NUMBER: of the run whose `timeout` is $watcher; sets $pid
    launcher=$(pgrep -P $watcher)
    mpirun=$(pgrep -P $launcher)
    pid=$(rank $mpirun "$1")
}

kill_worker() { # kill_worker NUMBER
    find_worker "$1"
    kill -9 "$pid"
}

# The task waits for a worker's death at its first attempt, and has a child that would live on.
printf '%s\n' 'echo once >> count' 'echo $GANGER_ATTEMPT >> tries; test -e go || { sleep 3002 & wait; }' > tasks.txt
timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 2 >out 2>err &
watcher=$!
until_started tasks.run 2
until [ -s tries ]; do sleep 0.05; done
worker=$(sed -n 's/.*"event":"start","task":"2".*"worker":\([0-9]*\).*/\1/p' tasks.run/journal.jsonl)
touch go
kill_worker "$worker"
status=0
wait $watcher || status=$?
[ $status = 0 ] || { cat out err; fail "a worker killed: exit status $status"; }
says err "Worker $worker on"
says err "2 failed (attempt 1, worker $worker on"
same count once
[ "$(cat tries)" = "$(printf '1\n2')" ] || fail "the task ran as attempts $(cat tries)"
grep -q '"event":"lost","worker":'"$worker" tasks.run/journal.jsonl || fail "the journal does not tell of the loss"
grep -q '"event":"retried","task":"2".*"lost":true' tasks.run/journal.jsonl || fail "nor of the attempt"
nothing_left "sleep 3002"
nothing_left "$GANGER run tasks.txt"

rm -rf tasks.run go
timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 1 >out 2>err &
watcher=$!
until_started tasks.run 2
sleep 0.1
kill_worker 1
status=0
wait $watcher || status=$?
[ $status = 3 ] || { cat out err; fail "the only worker killed: exit status $status"; }
says err "all workers have died"
nothing_left "sleep 3002"
touch go
g 0 run tasks.txt -n 2 --resume

# One that is killed when the manager has left has nobody to clean up after it but the launcher. (Which does not hear of
# the end before that here: it would have the worker go on.)
printf 'until [ -e %s ]; do sleep 0.05; done\n' both-run stopped > late.txt
mkdir tmp
TMPDIR=$PWD/tmp timeout -s KILL "$limit" "$GANGER" run late.txt -n 2 >out 2>err &
watcher=$!
until_started late.run 2 # on two workers: a busy machine lets one come late
touch both-run
until grep -q '^{"event":"done"' late.run/journal.jsonl; do sleep 0.05; done
worker=$(sed -n 's/.*"event":"done".*"worker":\([0-9]*\).*/\1/p' late.run/journal.jsonl)
find_worker "$worker"
kill -STOP "$pid" "$launcher"
ls -d tmp/ganger-*-"$worker"-* >/dev/null || fail "worker $worker has no temporary directory"
touch stopped
until grep -q '^{"event":"end"' late.run/journal.jsonl; do sleep 0.05; done
kill -9 "$pid"
kill -CONT "$launcher"
status=0
wait $watcher || status=$?
[ $status = 0 ] || { cat out err; fail "a worker killed behind the end: exit status $status"; }
! ls -d tmp/ganger-* 2>/dev/null || fail "its temporary directory is left"
