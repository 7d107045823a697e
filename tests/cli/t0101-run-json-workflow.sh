# A workflow of dependent tasks: order, cwd, env, fan-in by wildcard, names with braces kept for the shell.
. "${BASH_SOURCE%/*}/lib.sh"

mkdir sub
cat > flow.json <<'J'
{"name": "three", "defaults": {"env": {"WHERE": "here"}},
 "tasks": [
  {"id": "part-{i}", "for": {"i": "1-3"}, "command": "x=p{i}; echo \"$WHERE ${x}\" > part{i}"},
  {"id": "all", "after": ["part-*"], "command": "cat part1 part2 part3 > all"},
  {"id": "sub", "after": "all", "cwd": "sub", "env": {"WHERE": "there"}, "command": ["sh", "-c", "echo $WHERE > ../where; pwd"]}
 ]}
J
g 0 run flow.json -n 3
same all "here p1
here p2
here p3"
same where there
g 0 logs flow.run sub
same out "$PWD/sub"
awk -F'"' '/"event":"done"/ { for (i = 1; i < NF; i++) if ($i == "task") print $(i + 2) }' flow.run/journal.jsonl | tail -2 > order
same order "all
sub"

mkfifo pipe.json
g 2 run pipe.json -n 1
says err "a run needs a file"
