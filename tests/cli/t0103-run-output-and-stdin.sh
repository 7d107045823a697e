# 10 MB of output, a task that reads standard input, one that closes its output: all drained, nothing hangs.
. "${BASH_SOURCE%/*}/lib.sh"

cat > flow.json <<'J'
{"tasks": [
  {"id": "flood", "command": "head -c 10000000 /dev/zero | tr '\\0' x; echo; echo end >&2"},
  {"id": "reader", "command": "cat; echo read"},
  {"id": "closed", "command": "exec >&- 2>&-; sleep 0.1"},
  {"id": "background", "command": "sleep 1103 & echo started"},
  {"id": "escaped", "command": "setsid sleep 1104 & sleep 0.1; echo started"}
]}
J
g 0 run flow.json -n 2
nothing_left "sleep 110[34]"
g 0 logs flow.run flood
[ "$(wc -c < out)" = 10000001 ] || fail "flood wrote $(wc -c < out) bytes"
same err end
g 0 logs flow.run reader
same out read
