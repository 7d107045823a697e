# A rank is killed before all have come together: the run ends with 3 within its limits, or, where they had, goes on.
# Others may run beside it: it mostly waits.
. "${BASH_SOURCE%/*}/lib.sh"

case $("$GANGER" --version) in
*"Open MPI"*) ;;
*) echo "other launchers end all ranks by themselves: see t0211"; exit 0 ;;
esac

# The ranks' numbers, as soon as there is one; nothing when the run is over first.
ranks() {
    local launcher mpirun
    while kill -0 $watcher 2>/dev/null; do
        launcher=$(pgrep -P $watcher) && mpirun=$(pgrep -P "$launcher") && pgrep -P "$mpirun" -f "$GANGER run" && return
    done
}

n_early=0
echo 'true' >tasks.txt
for try in 1 2 3 4 5 6 7 8; do
    rm -rf tasks.run
    timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 2 >out 2>err &
    watcher=$!
    rank=$(ranks | tail -n 1)
    [ -z "$rank" ] || kill -9 "$rank"
    status=0
    wait $watcher || status=$?
    case $status in
    0) ;;
    3) n_early=$((n_early + 1)) && [ -s err ] || fail "try $try: it ended with 3 and does not say why" ;;
    *) fail "try $try: exit status $status" ;;
    esac
    nothing_left "$GANGER run tasks.txt"
    [ $n_early -lt 2 ] || break
done
echo "$n_early of $try ranks died before all had come together"
[ $n_early -gt 0 ] || fail "no rank was killed early enough: this shows nothing"
