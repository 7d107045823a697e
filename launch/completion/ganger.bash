# bash completion for ganger.
#
# Commands and options are asked of the program (`ganger help COMMAND`), so that they are those of the version that is
# installed; what an option's argument or an operand is, its name in the help tells.

# _ganger_help PROGRAM COMMAND: its help. A word that is no command prints nothing.
_ganger_help() {
    "$1" help "$2" 2>/dev/null
}

_ganger_commands() {
    "$1" help 2>/dev/null | sed -n '/^`/q; s/^  \([a-z][a-z-]*\)  *[a-z].*/\1/p'
}

# Lines "OPTION ARGUMENT", one for each way to write an option; the argument is missing where there is none.
_ganger_options() {
    _ganger_help "$1" "$2" | sed -nE \
        -e 's/^  +-(.), --([a-z-]+)( ([A-Z][^ ]*))?( .*|$)/-\1 \4\n--\2 \4/p' \
        -e 's/^      +--([a-z-]+)( ([A-Z][^ ]*))?( .*|$)/--\1 \3/p'
}

# The operands of a command, as its usage names them: "FLOW", "RUN TASK".
_ganger_operands() {
    _ganger_help "$1" "$2" | sed -nE '1s/^usage: ganger [a-z-]+//p' | tr -d '[].' | tr ' ' '\n' | grep -vE '^$|OPTION'
}

# Words for an argument of that name; sets COMPREPLY. The rest of the words are the operands before it.
_ganger_complete_name() {
    local name=$1 word=$2 run=${3-}
    case $name in
    *FLOW | *FILE) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    *DIR) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    *RUN)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$word" | while read -r dir; do
            [ -e "$dir/journal.jsonl" ] && printf '%s\n' "$dir"
        done)
        [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    *TASK)
        mapfile -t COMPREPLY < <(_ganger_tasks "$run" | grep -F -- "$word" | while read -r id; do
            [ "${id:0:${#word}}" = "$word" ] && printf '%q\n' "$id"
        done | head -n 1000)
        ;;
    *) COMPREPLY=() ;;
    esac
}

# The ids of tasks that a run has started: of the journal's last 10 MB, which takes no time that anybody sees.
_ganger_tasks() {
    local journal=$1/journal.jsonl
    [ -e "$journal" ] || journal=${1%.*}.run/journal.jsonl
    [ -e "$journal" ] || return 0
    tail -c 10000000 "$journal" | sed -n 's/.*"event":"start".*"task":"\([^"\\]*\)".*/\1/p' | sort -u
}

_ganger() {
    local program=$1 word=$2 before=$3 command=${COMP_WORDS[1]} options operands name i n=0 run=
    COMPREPLY=()
    program=$(type -P -- "$program" || echo "$program")
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_ganger_commands "$program")" -- "$word")
        return
    fi
    if [ "$command" = help ]; then
        [ "$COMP_CWORD" -eq 2 ] && mapfile -t COMPREPLY < <(compgen -W "$(_ganger_commands "$program")" -- "$word")
        return
    fi
    options=$(_ganger_options "$program" "$command")
    [ "$word" = = ] && word= && before=${COMP_WORDS[COMP_CWORD - 1]} # "--option=" comes in pieces
    [ "$before" = = ] && before=${COMP_WORDS[COMP_CWORD - 2]}
    name=$(awk -v o="$before" '$1 == o { print $2; exit }' <<<"$options")
    if [ -n "$name" ]; then
        _ganger_complete_name "$name" "$word"
        return
    fi
    if [ "${word:0:1}" = - ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(awk '{ print $1 }' <<<"$options")" -- "$word")
        return
    fi
    for ((i = 2; i < COMP_CWORD; i++)); do # which operand is it?
        if [ "${COMP_WORDS[i]:0:1}" = - ]; then
            [ -n "$(awk -v o="${COMP_WORDS[i]}" '$1 == o { print $2; exit }' <<<"$options")" ] && ((i++))
            continue
        fi
        [ $n -eq 0 ] && run=${COMP_WORDS[i]}
        ((n++))
    done
    operands=$(_ganger_operands "$program" "$command")
    name=$(awk -v n=$n '{ last = $1 } NR == n + 1 { print; found = 1 } END { if (!found) print last }' <<<"$operands")
    _ganger_complete_name "$name" "$word" "$run"
}
complete -F _ganger ganger
