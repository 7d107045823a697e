#!/bin/sh
# Every shell script names its shell and is understood by it.
. "$(dirname "$0")/lib/lint.sh"

check() {
    find . -path './build*' -prune -o -path ./.git -prune -o -type f \( -name '*.sh' -o -name bootstrap -o -path ./.ci/run \) -print |
        sort | while read -r script; do
        case $(head -n 1 "$script") in
        '#!/bin/sh' | '# '*) shell=sh ;; # a comment first: a file that is sourced
        '#!/bin/bash' | '#!/usr/bin/env bash') shell=bash ;;
        *) echo "$script: its first line names no shell" && continue ;;
        esac
        $shell -n "$script" 2>&1
    done
}

self_test() {
    printf '#!/bin/sh\nif true; then\n' | bad tests/a.sh 'nexpected'
    printf '#!/usr/bin/env bash\ndone\n' | bad .ci/run 'nexpected'
    printf 'echo hello\n' | bad bootstrap 'names no shell'
    printf '#!/bin/bash\na=(1 2)\n' | good tests/a.sh
    printf '# sourced\na=1\n' | good tests/lib.sh
}

lint_main "$@"
