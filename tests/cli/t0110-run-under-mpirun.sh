# Started as `mpirun -n N ganger run`, it runs on those ranks; one rank is refused; tasks see a clean environment.
. "${BASH_SOURCE%/*}/lib.sh"

mpirun() { timeout -s KILL "$limit" "$MPIEXEC" "$@"; }
case $("$GANGER" --version) in
*"Open MPI"*) options="--oversubscribe --bind-to none" ;;
*) options="-bind-to none" ;;
esac
printf '%s\n' 'env > env.txt' 'true' 'exit 4' > tasks.txt
status=0
mpirun $options -n 3 "$GANGER" run tasks.txt >out 2>err || status=$?
[ $status = 1 ] || fail "exit status $status, not 1"
says out "2 of 3 tasks"
says err "exit status 4"
says_not env.txt OMPI_COMM_WORLD
says_not env.txt PMIX_RANK
says_not env.txt PMI_RANK
status=0
mpirun $options -n 1 "$GANGER" run tasks.txt --run-dir other >out 2>err || status=$?
[ $status = 2 ] || fail "one rank: exit status $status, not 2"
says err "at least two"
status=0
mpirun $options -n 2 "$GANGER" run none.txt >out 2>err || status=$?
[ $status = 2 ] || fail "no workflow: exit status $status, not 2"
