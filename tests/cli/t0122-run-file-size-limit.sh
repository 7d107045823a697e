# A limit on the size of files is no worker's death: where a node's file of outputs meets it, the run ends, since no
# task's output can be kept there any more; tasks themselves meet it as they would without ganger.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [{"id": "own", "command": "head -c 30000000 /dev/zero > big"},
           {"id": "kept", "command": "head -c 30000000 /dev/zero", "after": {"task": "own", "on": "any"}},
           {"id": "next", "command": "echo next", "after": {"task": "kept", "on": "any"}}]}
J
ulimit -f 20000 # KiB; MPI's own files have 4 MiB
g 3 run flow.json -n 2
says err "File too large"
says err "exit status 153" # the shell tells of XFSZ
[ "$(events flow.run lost)" = 0 ] || fail "a worker died"
[ "$(events flow.run start)" = 2 ] || fail "it went on"
