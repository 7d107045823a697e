# Under nohup, HUP does not end a run. (timeout would catch HUP and give it back its meaning: it stands outside.)
. "${BASH_SOURCE%/*}/lib.sh"

printf '%s\n' 'until test -e go; do sleep 0.05; done # mark-2031' > tasks.txt
timeout -s KILL "$limit" sh -c 'trap "" HUP; exec "$0" run tasks.txt -n 1' "$GANGER" >out 2>err &
watcher=$!
until_started tasks.run 1
kill -HUP "$(pgrep -P $watcher)"
sleep 0.3 # for a signal that must have no effect
touch go
status=0
wait $watcher || status=$?
[ $status = 0 ] || fail "exit status $status"
says out "1 of 1 tasks"
nothing_left "mark-2031"
