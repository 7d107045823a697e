# The manual pages say what the program says: each command has a page, each option stands in it as the help has it, and
# no page has more. The page of the format has the keys of the schema.
. "${BASH_SOURCE%/*}/lib.sh"

man=$GANGER_SOURCE_DIR/docs/man

# What stands in roff, as it is read.
plain() { sed -e 's/\\f[A-Z]//g' -e 's/\\-/-/g' "$1"; }

# The part of a page under a heading.
section() { awk -v heading=".SH $1" '/^\.SH/ { on = $0 == heading; next } on'; }

# "-n, --workers W", one a line.
page_options() { plain "$1" | section OPTIONS | grep -oE '^(-., )?--[a-z-]+( [A-Z][^ ]*)?$' | sort; }
help_options() { "$GANGER" help "$1" | sed -nE 's/^ +((-., )?--[a-z-]+( [A-Z][^ ]*)?)( .*|$)/\1/p' | sort; }

"$GANGER" help | sed -n '/^`/q; s/^  \([a-z][a-z-]*\)  *[a-z].*/\1/p' | grep -vx -e help -e version | sort >commands
grep -qx run commands || fail "the help names no commands"

# Pages and commands, both ways; and each command in the first page.
ls "$man" | sed -n 's/^ganger-\(.*\)\.1$/\1/p' | sort >pages
diff commands pages >out || fail "commands of the help (<) and pages in docs/man (>) differ"
plain "$man/ganger.1" | section COMMANDS | grep -oE '^(help|version|[a-z]+)( \[COMMAND\])?$' | cut -d' ' -f1 | sort >named
{ cat commands; echo help; echo version; } | sort | diff - named >out || fail "commands of the help (<) and of ganger(1) (>) differ"

while read -r command; do
    page=$man/ganger-$command.1
    help_options "$command" >options
    [ -s options ] || fail "$command: no options in its help"
    page_options "$page" >described
    diff options described >out || fail "options of $command: the help's (<) and the page's (>) differ"
done <commands

# Keys of a workflow.
schema=$GANGER_SOURCE_DIR/docs/workflow.schema.json
keys_of() { # a definition of the schema
    awk -v start="        \"$1\": {" '$0 == start { on = 1; next } /^        [}"]/ { on = 0 } on' "$schema" |
        sed -nE 's/^ {16}"([a-z_$]+)": \{.*/\1/p' | sort
}
keys_said() { plain "$man/ganger-workflow.5" | section "$1" | grep -A1 '^\.TP' | grep -oE '[a-z_$]+(, [a-z_$]+)*$' | tr -d ' ' | tr ',' '\n' | sort; }
keys_of task >keys
grep -qx command keys || fail "the schema has no keys of tasks"
keys_said "KEYS OF A TASK" | diff keys - >out || fail "keys of a task: the schema's (<) and the page's (>) differ"
{ keys_of header; echo tasks; } | sort >keys
keys_said "KEYS OF THE DOCUMENT" | diff keys - >out || fail "keys of the document: the schema's (<) and the page's (>) differ"

# They are roff that man can read.
command -v groff >/dev/null || { echo "groff is not installed: the pages were not formatted"; exit 0; }
for page in "$man"/*.[15]; do
    groff -man -ww -z -T utf8 -K utf8 "$page" 2>err || fail "$page"
    same err ""
done
