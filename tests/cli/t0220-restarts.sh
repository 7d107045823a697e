# --restarts: when mpirun, the manager or all workers die, the run goes on by itself, so often and no more; not when its
# user ends it, and not when it fails by itself.
. "${BASH_SOURCE%/*}/lib.sh"

case $("$GANGER" --version) in
*"Open MPI"*) ;;
*) echo "other launchers put processes between mpirun and its ranks"; exit 0 ;;
esac

printf '%s\n' 'echo once >> count' 'echo $GANGER_EPOCH >> epochs; test $GANGER_EPOCH = 3 || sleep 3003' >tasks.txt
begin() { # begin WORD...
    timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 1 "$@" >out 2>err &
    watcher=$!
    launcher=$(until pgrep -P $watcher; do sleep 0.05; done)
}
until_epoch() { # until_epoch N: its second task runs
    local i
    for i in $(seq 300); do
        ! grep -q "^$1\$" epochs 2>/dev/null || return 0
        sleep 0.1
    done
    fail "epoch $1 has not come within 30 s"
}
ends() { # ends STATUS
    local status=0
    wait $watcher || status=$?
    [ $status = "$1" ] || fail "exit status $status, not $1"
    nothing_left "$GANGER run tasks.txt"
    nothing_left "sleep 3003"
}
rank_now() { rank "$(pgrep -P $launcher)" "$1"; }

begin --restarts 2
until_epoch 1
kill -9 "$(rank_now 0)"
until_epoch 2
kill -9 "$(rank_now 1)" # the only worker
ends 0
same count once
same epochs "$(printf '1\n2\n3')"
says err "(restart 1 of 2)"
says err "(restart 2 of 2)"

# No more than so often.
rm -rf tasks.run count epochs
begin --restarts 1
until_epoch 1
kill -9 "$(pgrep -P $launcher)"
until_epoch 2
kill -9 "$(pgrep -P $launcher)"
ends 3
says_not err "(restart 2"

# The user ends it: while it runs, and while it waits to start again.
rm -rf tasks.run count epochs
begin --restarts 5
until_epoch 1
kill -TERM $launcher
ends 143
says_not err "(restart 1"
rm -rf tasks.run count epochs
begin --restarts 5
until_epoch 1
kill -9 "$(pgrep -P $launcher)"
until grep -q "(restart 1 of 5)" err; do sleep 0.05; done
kill -INT $launcher
ends 130

# A failing task and a bad word are no failures of the system.
printf '%s\n' false >tasks.txt
rm -rf tasks.run
g 1 run tasks.txt -n 1 --restarts 5
g 2 run tasks.txt -n 1 --restarts 5
says_not err "(restart"
