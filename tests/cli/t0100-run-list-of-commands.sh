# A list of commands runs, each line by the shell; output, environment and exit status are as they should be.
. "${BASH_SOURCE%/*}/lib.sh"

printf '%s\n' '# three commands' 'echo one > one' '' 'sleep 0.1 && echo two | tr a-z A-Z > two' 'env > three' > tasks.txt
COLOUR=red g 0 run tasks.txt -n 2
same one one
same two TWO
says three COLOUR=red
says three GANGER_TASK_ID=
says three GANGER_CORES=1
says three OMP_NUM_THREADS=1
says_not three OMPI_COMM_WORLD
says_not three PMIX_
says_not three GANGER_LINK
says_not three HWLOC_PLUGINS
says_not three OMPI_MCA
says out "3 of 3 tasks"
[ "$(events tasks.run done)" = 3 ] || fail "not three done lines"
[ "$(stat -c %a tasks.run)" = 700 ] || fail "others can read the run directory"
g 2 run tasks.txt -n 2
says err "--resume"
nothing_left "$PWD/tasks"
