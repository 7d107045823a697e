# Before the ranks have come together mpirun may be deaf: repeated signals end it all the same.
. "${BASH_SOURCE%/*}/lib.sh"

printf '%s\n' true > tasks.txt
printf '%s\n' '#!/bin/sh' 'trap "" TERM' 'touch begun' 'exec sleep 3022' > mpirun.sh
chmod +x mpirun.sh
GANGER_MPIRUN=$PWD/mpirun.sh timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 1 >out 2>err &
watcher=$!
until [ -e begun ]; do sleep 0.05; done
launcher=$(pgrep -P $watcher)
for i in $(seq 20); do
    kill -INT $launcher 2>/dev/null || break
    sleep 0.1
done
[ $i != 20 ] || { kill -9 $launcher; fail "ganger is still there after two seconds"; }
status=0
wait $watcher || status=$?
[ $status = 130 ] || fail "exit status $status"
nothing_left "sleep 3022"
