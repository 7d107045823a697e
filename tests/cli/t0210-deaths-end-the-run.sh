# The manager, mpirun or the launcher is killed: the run ends with 3, leaves nothing, and can be resumed.
. "${BASH_SOURCE%/*}/lib.sh"

case $("$GANGER" --version) in
*"Open MPI"*) ;;
*) echo "other launchers end all ranks by themselves: see t0211"; exit 0 ;;
esac
printf '%s\n' 'echo once >> count' 'test -e go || sleep 3001' 'test -e go || { sleep 3001 & wait; }' > tasks.txt
for victim in manager mpirun launcher; do
    rm -rf tasks.run count go
    timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 2 >out 2>err &
    watcher=$!
    until_started tasks.run 3
    launcher=$(pgrep -P $watcher)
    mpirun=$(pgrep -P $launcher)
    sleep 0.1 # the journal is written every 10 ms
    case $victim in
    manager) kill -9 "$(rank $mpirun 0)" ;;
    mpirun) kill -9 $mpirun ;;
    launcher) kill -9 $launcher ;;
    esac
    status=0
    wait $watcher || status=$?
    case $victim:$status in
    manager:3 | mpirun:3 | launcher:137) ;;
    *) fail "$victim killed: exit status $status" ;;
    esac
    [ $victim != mpirun ] || says err "continues it"
    nothing_left "sleep 3001"
    nothing_left "$GANGER run tasks.txt"
    touch go
    g 0 run tasks.txt -n 2 --resume
    same count once
done
