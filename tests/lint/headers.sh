#!/bin/sh
# Every header compiles alone and twice, and has the guard that its path says.
. "$(dirname "$0")/lib/lint.sh"

check() {
    c_files runtime backends launch | grep '\.h$' | while read -r header; do
        # LINT_CFLAGS holds several words.
        printf '#include "%s"\n#include "%s"\nint lint_ends_here;\n' "$header" "$header" |
            ${LINT_CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I. -Iruntime ${LINT_CFLAGS:-} \
                -fsyntax-only -x c - >/dev/null 2>&1 || echo "$header: does not compile alone"
        guard=GANGER_$(printf '%s' "${header#runtime/}" | tr 'a-z/.' 'A-Z__')
        grep -q "^#ifndef $guard\$" "$header" || echo "$header: its guard is not $guard"
    done
}

self_test() {
    printf '#ifndef GANGER_CORE_A_H\n#define GANGER_CORE_A_H\nsize_t f(void);\n#endif\n' |
        bad runtime/core/a.h 'does not compile alone'
    printf 'struct a { int b; };\n' | bad runtime/core/a.h 'does not compile alone'
    printf '#ifndef A_H\n#define A_H\nint f(void);\n#endif\n' | bad runtime/core/a.h 'guard is not GANGER_CORE_A_H'
    printf '#ifndef GANGER_CORE_A_H\n#define GANGER_CORE_A_H\n#include <stddef.h>\nsize_t f(void);\n#endif\n' |
        good runtime/core/a.h
}

lint_main "$@"
