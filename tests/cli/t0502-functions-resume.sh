# A resumed run takes results from the journal; a function whose result is needed and was too large for it runs again.
. "${BASH_SOURCE%/*}/lib.sh"
GANGER=$FUNCTIONS
one_process=thread # what needs ThreadSanitizer is in t0505: it does not know mpirun, nor abandoned threads

flow() { # KEEP LAST
    cat <<FLOW
{"tasks": [
    {"id": "small", "function": "fill", "input": 4096},
    {"id": "large", "function": "fill", "input": 4097, "keep": $1},
    {"id": "root", "function": "echo", "input": 1},
    {"id": "child", "function": "echo", "input": 2, "after": "root"},
    {"id": "use-small", "function": "check", "after": "small"},
    {"id": "use-large", "function": "check", "after": "large"},
    {"id": "last", "after": ["use-small", "use-large"], $2}
]}
FLOW
}

for keep in false true; do
    rm -rf flow.run
    flow $keep '"function": "refuse"' >flow.json
    g 1 run -q --backend $one_process flow.json
    says out "to carry on  $(readlink -f "$GANGER") run flow.json --resume"
    # Users of the results have another definition now: they run again, and need what they wait for.
    flow $keep '"function": "join"' | sed 's/"id": "use-\([a-z]*\)", /&"input": 1, /' >flow.json
    g 0 run --resume --backend $one_process flow.json
    says out "last: done 4096 4097"
    again=$(tail -n +2 flow.run/journal.jsonl | sed -n '/"event":"run"/,$p' | grep -o '\["[a-z-]*",' | sort | tr -d '[",\n')
    if [ $keep = false ]; then
        [ "$again" = largelastuse-largeuse-small ] || fail "these ran again: $again"
    else
        [ "$again" = lastuse-largeuse-small ] || fail "these ran again: $again"
    fi
    g 0 verify flow.run
done

# A program that builds its workflow resumes it, and proves it.
g 0 run -q --backend $one_process -d built.run -- 20
g 0 run --resume --backend none -d built.run -- 20
says out "21 of them in earlier runs"
g 0 verify built.run
says out "sound: every task once"
GANGER=${GANGER%/tests/*}/bin/ganger
g 1 verify built.run
says out "it was built by a program"
