# `--changed content` and functions: one that was done stays so if nothing that it waits for ran again, however far behind
# a command that is looked at; what it returned is there for others.
. "${BASH_SOURCE%/*}/lib.sh"
GANGER=$FUNCTIONS

flow() { # LAST: the input of the last one
    cat <<FLOW
{"tasks": [
    {"id": "sort", "command": "echo sort >>ran; sort words >sorted", "inputs": ["words"], "outputs": ["sorted"]},
    {"id": "note", "command": "echo note >>ran", "inputs": ["notes"]},
    {"id": "first", "function": "echo", "input": "made", "after": "sort"},
    {"id": "second", "function": "join", "after": ["first", "note"]},
    {"id": "large", "function": "fill", "input": 5000, "after": "sort"},
    {"id": "size", "function": "check", "after": "large"},
    {"id": "mail", "command": "echo mail >>ran", "after": "second"},
    {"id": "last", "function": "join", "input": $1, "after": ["second", "size"], "keep": true}
]}
FLOW
}
ran() { # what the last epoch ran: commands and functions
    sed -n '/"event":"run"/h;//!H;${x;p}' flow.run/journal.jsonl >epoch
    {
        [ ! -e ran ] || cat ran
        grep '"event":"calls"' epoch | grep -o '\["[a-z]*",' | tr -d '[",'
        sed -n 's/^{"event":"done","task":"\([a-z]*\)".*"result".*/\1/p' epoch
    } | sort | tr '\n' ' '
    rm -f ran
}
resumed() { # WANTED WORD...
    local wanted=$1 now
    shift
    g 0 run flow.json --changed content --resume --backend $backend "$@"
    now=$(ran)
    [ "$now" = "$wanted" ] || fail "$backend: ran again: $now, not: $wanted"
    says out '"made" - 5000'
    g 0 verify flow.run
    says out 'verdict   sound'
}

for backend in thread local none; do
    rm -rf flow.run
    printf 'b\na\n' >words
    echo 1 >notes
    flow 1 >flow.json
    g 0 run flow.json --changed content --backend $backend
    [ "$(ran)" = "first large last mail note second size sort " ] || fail "the first run"
    # What was too large for the journal runs again if somebody behind it may, and all behind that.
    resumed "large last size "
    sed -i 's/"input": 5000, /&"keep": true, /' flow.json
    resumed "large last size "
    resumed ""
    [ "$(grep -c '"event":"unchanged"' epoch)" = 8 ] || fail "not all were looked at: $(grep -c unchanged epoch)"
    # Another definition: it gets what was recorded of what did not run again.
    flow 2 | sed 's/"input": 5000, /&"keep": true, /' >flow.json
    resumed "last "
    # A command that makes something else: what waits for it runs, and what waits for that.
    echo 2 >notes
    resumed "last mail note second "
    echo c >>words
    resumed "first large last mail second size sort "
    resumed ""
done

# The program is not asked about what stays done; a late payload does not matter.
GANGER=$HOOKS
export HOOKS_LOG=$PWD/log
cat >hooks.json <<'J'
{"tasks": [{"id": "look", "command": "true", "inputs": ["words"]},
           {"id": "late", "function": "echo", "after": "look"},
           {"id": "again", "function": "join", "after": "late"}]}
J
g 0 run -q hooks.json --changed content --backend thread
: >log
g 0 run -q hooks.json --changed content --resume --backend thread
says out "again: done done:-;"
! grep -q " late\| again" log || fail "the program is asked about what stays done: $(cat log)"
g 0 verify hooks.run
echo x >>words
: >log
g 0 run -q hooks.json --changed content --resume --backend thread
[ "$(grep -c "^collect late" log)" = 1 ] || fail "what waits for what ran again did not"
g 0 verify hooks.run
