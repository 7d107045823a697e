# Standard streams that are files: read, made, emptied by each attempt, shared; what cannot be opened is told.
. "${BASH_SOURCE%/*}/lib.sh"

mkdir sub
printf 'c\na\nb\n' > sub/letters
echo "from before, and longer than what comes" > sub/sorted
mkfifo fifo
cat > flow.json <<'J'
{"tasks": [
  {"id": "sort", "cwd": "sub", "stdin": "letters", "stdout": "sorted", "command": ["sort"]},
  {"id": "both", "stdout": "both.txt", "stderr": "both.txt", "command": "echo 1; echo 2 >&2; echo 3; exit 3"},
  {"id": "one", "stderr": "one.err", "command": "echo kept; echo gone >&2; exit 4"},
  {"id": "again", "retries": 2, "stdout": "again.txt", "command": "echo attempt $GANGER_ATTEMPT; test $GANGER_ATTEMPT = 3"},
  {"id": "no-folder", "stdout": "no/such/file", "command": "true"},
  {"id": "no-input", "stdin": "no-such-file", "command": "true"},
  {"id": "fifo", "stdin": "fifo", "command": "true"},
  {"id": "null", "stdout": "/dev/null", "command": "echo nobody sees this"}
]}
J
g 1 run flow.json -n 2
same sub/sorted "$(printf 'a\nb\nc')"
same both.txt "$(printf '1\n2\n3')"
same one.err gone
same again.txt "attempt 3"
says err "its output is in both.txt"
says err "| kept"
says err "no-folder"
says err "could not be started: stdout no/such/file (missing folders are not made): No such file or directory"
says err "could not be started: stdin no-such-file: No such file or directory"
says err "could not be started: stdin fifo is a FIFO"
g 0 logs flow.run one
same out kept
g 0 logs flow.run both
same out ""
