#!/bin/sh
# Nothing is left open in a comment; the program calls no function that cannot know how much room there is; no
# line ends in a blank or is much wider than a hundred columns.
. "$(dirname "$0")/lib/lint.sh"

open_words='TO''DO|FIX''ME|XX''X|HA''CK'
unbounded='strcpy|strcat|sprintf|vsprintf|gets|stpcpy|strtok|tmpnam|mktemp|alloca'

check() {
    c_files | xargs -r grep -nE "(^|[^A-Za-z])($open_words)([^A-Za-z]|\$)" /dev/null | sed 's/$/    <- left open/'
    c_code runtime backends launch | grep -E "$(call_of "$unbounded")" | sed 's/$/    <- not this function/'
    c_files | xargs -r awk '
        / +$|\t/ { print FILENAME ":" FNR ": a tab, or a blank at the end" }
        { gsub(/[\200-\277]/, ""); if (length($0) > 120) print FILENAME ":" FNR ": too wide" }'
}

self_test() {
    printf '/* %s: later */\n' 'TO''DO' | bad runtime/core/a.c 'left open'
    printf '// %s\n' 'FIX''ME' | bad tests/unit/a.c 'left open'
    echo 'void f(char *a, char *b) { strcpy(a, b); }' | bad launch/a.c 'not this function'
    echo 'void f(char *a) { sprintf (a, "x"); }' | bad backends/a.c 'not this function'
    printf 'int a;\tint b;\n' | bad runtime/a.c 'a tab'
    printf 'int a; \n' | bad runtime/a.c 'a blank'
    awk 'BEGIN { printf "int "; while (i++ < 130) printf "a"; print ";" }' | bad runtime/a.c 'too wide'
    echo 'int f(char *a) { return snprintf(a, 1, "gets(") + my_gets(a); }' | good runtime/a.c
}

lint_main "$@"
