# No mpirun, or one that fails: exit 3 and a message, at once.
. "${BASH_SOURCE%/*}/lib.sh"

echo true > tasks.txt
GANGER_MPIRUN=/no/such/mpirun g 3 run tasks.txt -n 1
says err /no/such/mpirun
printf '#!/bin/sh\necho no daemons >&2\nexit 1\n' > broken
chmod +x broken
GANGER_MPIRUN=$PWD/broken g 3 run tasks.txt -n 1
says err "no daemons"
says err "before its ranks had come together: nothing has been run"
