#!/bin/bash
# Completion in bash: commands and options are those that the program has, operands what the usage says.
# Others may run beside it.
. "${BASH_SOURCE%/*}/lib.sh"

compopt() { :; } # there is no prompt here
. "$GANGER_SOURCE_DIR/launch/completion/ganger.bash"
mkdir bin
ln -s "$GANGER" bin/ganger
PATH=$PWD/bin:$PATH

# complete_line WORD...: what completes the last word, one a line, sorted, into the file out.
complete_line() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _ganger ganger "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\n' "${COMPREPLY[@]}" | sort >out
}

complete_line ganger ''
ganger help | sed -n '/^`/q; s/^  \([a-z][a-z-]*\)  *[a-z].*/\1/p' | sort >commands
grep -qx run commands && grep -qx logs commands || fail "no commands in the help"
cmp out commands || fail "commands are not completed"
complete_line ganger ru
same out run
complete_line ganger help che
same out check

# Each command's options, both ways.
for command in $(grep -vx -e help -e version commands); do
    ganger help "$command" | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '-[-a-z]+|-.' | sort >options
    [ -s options ] || fail "$command has no options in its help"
    complete_line ganger "$command" -
    cmp options out || fail "options of $command"
done
complete_line ganger run --res
says out --resume
says_not out --run-dir

# Arguments by their names.
mkdir -p some.run other
touch flow.json
complete_line ganger run fl
same out flow.json
complete_line ganger run flow.json --run-dir so
same out some.run
complete_line ganger run flow.json --run-dir = so
same out some.run
complete_line ganger run flow.json --run-dir =
same out 'bin
other
some.run'
complete_line ganger run -n ''
same out ''
cat >some.run/journal.jsonl <<'J'
{"event":"start","task":"left","index":0}
{"event":"start","task":"a b","index":1}
{"event":"start","task":"right","index":2}
J
complete_line ganger logs o
says_not out other/
complete_line ganger logs ''
same out some.run
complete_line ganger logs some.run l
same out left
complete_line ganger logs some.run left ''
same out 'a\ b
left
right'
complete_line ganger logs --stdout some.run ri
same out right
complete_line ganger logs some.run --attempt 1 ri
same out right

# A program that is not there completes nothing and says nothing.
PATH=/usr/bin:/bin
complete_line ganger-that-is-not-there '' 2>err
same err ''
