# A run directory that another run owns is refused with 2, naming the owner; the run goes on unharmed.
. "${BASH_SOURCE%/*}/lib.sh"

echo "while [ ! -e go ]; do sleep 0.1; done" > tasks.txt
timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 1 >out1 2>err1 &
watcher=$!
until_started tasks.run 1
g 2 run tasks.txt -n 1 --resume
says err "tasks.run"
says err "$(uname -n)"
touch go
status=0
wait $watcher || status=$?
[ $status = 0 ] || fail "the first run ended with $status"
g 0 run tasks.txt -n 1 --resume
