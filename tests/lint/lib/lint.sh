# What the lints share; sourced by them.
#
# A lint defines `check`, which prints one line for each breach in the tree of the current folder, and
# `self_test`, which calls `bad` and `good` with small trees. It ends with: lint_main "$@"
#   sh LINT.sh [ROOT]        0 when there is no breach, 1 otherwise
#   sh LINT.sh --self-test   0 when the lint finds what is bad, and only that

lint_lib=$(cd "$(dirname "$0")" && pwd)/lib
lint_name=$(basename "$0" .sh)

# The C files of the tree, of the folders that are named or of all. The folders' names have no blanks.
c_files() {
    [ $# -gt 0 ] || set -- runtime backends launch bench tests examples
    for folder in "$@"; do
        [ ! -d "$folder" ] || find "$folder" -name '*.[ch]' -type f
    done | sort
}

# FILE:LINE:CODE of those files, without comments and texts.
c_code() {
    c_files "$@" | xargs -r awk -f "$lint_lib/code_of.awk"
}

# The same, with the texts left in.
c_code_and_texts() {
    c_files "$@" | xargs -r awk -v keep_strings=1 -f "$lint_lib/code_of.awk"
}

# A regular expression for calls of functions: call_of 'fork|vfork'
call_of() {
    printf '(^|[^A-Za-z0-9_.>])(%s)[ \t]*\\(' "$1"
}

in_fresh_tree() {
    cd "$lint_work" && rm -rf tree && mkdir tree && cd tree || exit 2
    mkdir -p "$(dirname "$1")"
    cat >"$1"
}

# bad FILE PATTERN <content: a tree with this file alone must be found bad, in words that match PATTERN.
bad() {
    in_fresh_tree "$1"
    lint_found=$(check)
    if ! printf '%s\n' "$lint_found" | grep -q -e "$2"; then
        echo "$lint_name: did not object to $1 ($2); it said: ${lint_found:-nothing}"
        : >"$lint_work/failed"
    fi
}

# good FILE <content
good() {
    in_fresh_tree "$1"
    lint_found=$(check)
    if [ -n "$lint_found" ]; then
        echo "$lint_name: objected to a good $1: $lint_found"
        : >"$lint_work/failed"
    fi
}

lint_main() {
    lint_status=0
    if [ "${1:-}" = --self-test ]; then
        lint_work=$(mktemp -d) || exit 2
        trap 'rm -rf "$lint_work"' EXIT
        self_test
        # bad and good run at the end of pipes, in shells of their own: a file is what they can leave.
        [ ! -e "$lint_work/failed" ] || lint_status=1
    else
        cd "${1:-.}" || exit 2
        lint_found=$(check)
        if [ -n "$lint_found" ]; then
            printf '%s\n' "$lint_found"
            lint_status=1
        fi
    fi
    exit $lint_status
}
