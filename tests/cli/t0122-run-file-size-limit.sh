# A limit on the size of files is no worker's death: where a node's file of outputs meets it, the run ends, since no
# task's output can be kept there any more; tasks themselves meet it as they would without ganger.
. "${BASH_SOURCE%/*}/lib.sh"

printf '%s\n' 'head -c 30000000 /dev/zero > big' 'head -c 30000000 /dev/zero' 'echo fine' > tasks.txt
ulimit -f 20000 # KiB; MPI's own files have 4 MiB
g 3 run tasks.txt -n 2
says err "File too large"
says err "exit status 153" # the shell tells of XFSZ
[ "$(events tasks.run lost)" = 0 ] || fail "a worker died"
