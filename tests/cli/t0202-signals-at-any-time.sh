# INT at many moments, from before the ranks are there to the end: no hang, no stray process, a truthful status.
. "${BASH_SOURCE%/*}/lib.sh"

seq 40 | sed 's/.*/sleep 0.0&; echo t& >> done.txt # mark-2004/' > tasks.txt
for moment in 0.00 0.02 0.04 0.06 0.08 0.10 0.15 0.20 0.30 0.50; do
    rm -rf tasks.run done.txt
    timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 2 >out 2>err &
    watcher=$!
    sleep $moment
    kill -INT "$(pgrep -P $watcher)" 2>/dev/null
    status=0
    wait $watcher || status=$?
    case $status in
    0 | 130) ;;
    *) fail "after $moment s: exit status $status" ;;
    esac
    nothing_left "mark-2004"
    nothing_left "^$GANGER run tasks.txt"
done
