# mpirun has returned and the manager hangs: ganger still hears signals, and the second one ends the manager.
. "${BASH_SOURCE%/*}/lib.sh"

case $("$GANGER" --version) in
*"Open MPI"*) ;;
*) echo "with other launchers ranks are no children of mpirun"; exit 0 ;;
esac
printf '%s\n' 'sleep 3021' > tasks.txt
printf '%s\n' '#!/bin/sh' "\"$MPIEXEC\" \"\$@\" &" 'until test -e over; do sleep 0.05; done' > mpirun.sh
chmod +x mpirun.sh
GANGER_MPIRUN=$PWD/mpirun.sh timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 1 >out 2>err &
watcher=$!
until_started tasks.run 1
launcher=$(pgrep -P $watcher)
script=$(pgrep -P $launcher)
manager=$(for child in $(pgrep -P $script); do rank $child 0; done)
touch over
while [ -n "$(pgrep -P $launcher)" ]; do sleep 0.05; done # it has been reaped
kill -STOP $manager
for i in $(seq 50); do
    kill -INT $launcher 2>/dev/null || break
    sleep 0.1
done
[ $i != 50 ] || { kill -9 $manager; fail "ganger is still there after five seconds"; }
status=0
wait $watcher || status=$?
[ $status = 130 ] || fail "exit status $status"
nothing_left "sleep 3021"
nothing_left "$GANGER run tasks.txt"
