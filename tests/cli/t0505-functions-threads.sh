# All ranks in one process: what threads share is right, which ThreadSanitizer sees, too (tests/full/tsan.sh).
. "${BASH_SOURCE%/*}/lib.sh"
GANGER=$FUNCTIONS

for shape in "200 squares" "200 chain" "1 order" "1 sizes" "500 counted"; do
    # shellcheck disable=SC2086 # words
    g 0 run -q --backend thread -n 3 -d "$shape.run" -- $shape
    # shellcheck disable=SC2086
    g 0 run -q --backend none -d "$shape.none.run" -- $shape
    g 0 verify "$shape.run"
    says out "verdict   sound: every task once"
done

cat >flow.jsonl <<'FLOW'
{"id": "n.{i}", "for": {"i": "1-20"}, "function": "nap", "input": 2}
{"id": "c.{i}", "for": {"i": "1-4"}, "command": "echo {i}"}
{"id": "r.{i}", "for": {"i": "1-4"}, "function": "refuse", "retries": 1, "may_fail": true}
{"id": "i", "function": "alone", "after": ["n.*", "c.*"]}
FLOW
g 0 run --backend thread -n 3 flow.jsonl
says out "done  25 of 29 tasks"
g 0 verify flow.run

g 2 run -n 2 --backend none flow.jsonl -d other.run
says err "--backend none has one worker"
g 2 run --backend nowhere flow.jsonl -d other.run
says err "--backend takes local, thread or none"
