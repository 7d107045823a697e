# A limit on the size of files is an error of the task whose output meets it, and no worker's death; tasks
# themselves meet it as they would without ganger.
. "${BASH_SOURCE%/*}/lib.sh"

printf '%s\n' 'head -c 30000000 /dev/zero' 'head -c 30000000 /dev/zero > big' 'echo fine' > tasks.txt
ulimit -f 20000 # KiB; MPI's own files have 4 MiB
g 1 run tasks.txt -n 2
says err "File too large"
says err "exit status 153" # the shell tells of XFSZ
says out "1 of 3 tasks"
[ "$(events tasks.run lost)" = 0 ] || fail "a worker died"
