# A second INT kills at once what would have had a long grace.
. "${BASH_SOURCE%/*}/lib.sh"

echo "trap '' TERM; sleep 2003 & while :; do wait; done" > tasks.txt
timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 1 --grace 1000 >out 2>err &
watcher=$!
until_started tasks.run 1
kill -INT "$(pgrep -P $watcher)"
sleep 0.5
kill -0 $watcher || fail "the first INT did not wait for the task"
kill -INT "$(pgrep -P $watcher)"
status=0
wait $watcher || status=$?
[ $status = 130 ] || fail "exit status $status"
nothing_left "sleep 2003"
