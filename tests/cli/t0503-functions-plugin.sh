# A plugin's functions; ranks that have other functions than the manager are refused, and it is said which.
. "${BASH_SOURCE%/*}/lib.sh"

echo '{"id": "a", "function": "greet", "input": "you"}' >flow.jsonl
g 0 run -q -n 2 --plugin "$PLUGIN" flow.jsonl
grep -q '"a",0,1,.*"'"$(printf 'hello, "you"' | base64)"'"' flow.run/journal.jsonl || fail "the result is another"
echo '{"id": "b", "command": "false"}' | cat flow.jsonl - >bad.jsonl
g 1 run -q -n 1 --plugin "$PLUGIN" bad.jsonl
says out "to carry on  ganger run bad.jsonl --plugin $PLUGIN --resume"
sed 's/}$/, "isolate": true}/' flow.jsonl >alone.jsonl
g 0 run -q -n 1 --plugin "$PLUGIN" alone.jsonl
g 2 run --plugin flow.jsonl flow.jsonl -d other.run
says err "--plugin flow.jsonl:"
g 2 run --plugin "$PLUGIN" --plugin "$PLUGIN" flow.jsonl -d other.run
says err 'two functions are called "greet"'

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
timeout -s KILL 90 "$MPIEXEC" --oversubscribe -n 1 "$GANGER" run -d mixed.run --plugin "$PLUGIN" flow.jsonl : \
    -n 1 "$GANGER" run -d mixed.run flow.jsonl >out 2>err </dev/null && fail "ranks with other functions were taken"
says err "has other functions than the manager"
says err 'it lacks "greet"'
