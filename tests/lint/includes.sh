#!/bin/sh
# An include points down: launch, backends -> manager, worker -> io -> core -> base. manager and worker
# never include each other, nor do two nouns of io/ (comm.h, comm_mpi.c and comm_memory.c are one noun).
# Quoted names are relative to runtime/ or to the top folder, so that each says its layer.
. "$(dirname "$0")/lib/lint.sh"

check() {
    c_code_and_texts runtime backends launch | awk '
        function layer_of(path) {
            if (path ~ /^base\//) return 1
            if (path ~ /^core\//) return 2
            if (path ~ /^io\//) return 3
            if (path ~ /^backends\//) return 5
            if (path ~ /^launch\//) return 6
            return path ~ /\// ? 0 : 4
        }
        function noun_of(path) {
            sub(/.*\//, "", path)
            sub(/[_.].*/, "", path)
            return path
        }
        function object(what) {
            print where ": includes \"" to "\": " what
        }
        match($0, /:[ \t]*#[ \t]*include[ \t]*"[^"]*"/) {
            split($0, part, ":")
            where = part[1] ":" part[2]
            from = part[1]
            sub(/^runtime\//, "", from)
            to = substr($0, RSTART, RLENGTH)
            sub(/[^"]*"/, "", to)
            sub(/"$/, "", to)

            below = layer_of(to)
            here = layer_of(from)
            if (to ~ /\.\./ || !below)
                object("the name must begin with its layer")
            else if (here != 4 && here != below && below == 4 && here < 4 || below > here)
                object("an include points down")
            else if (here == 3 && below == 3 && noun_of(from) != noun_of(to))
                object("two nouns of io/ never include each other")
            else if (here == 4 && noun_of(from) == "manager" && noun_of(to) == "worker" ||
                     here == 4 && noun_of(from) == "worker" && noun_of(to) == "manager")
                object("manager and worker never include each other")
        }'
    # A name without a folder is that of a file of runtime/ itself, not of a neighbour.
    c_code_and_texts runtime backends launch |
        sed -n 's/^\([^:]*:[0-9]*\):[ \t]*#[ \t]*include[ \t]*"\([^"\/]*\)".*/\1 \2/p' |
        while read -r where to; do
            [ -e "runtime/$to" ] || [ ! -e "$(dirname "${where%%:*}")/$to" ] ||
                echo "$where: includes \"$to\": the name must begin with its layer"
        done
}

self_test() {
    echo '#include "core/graph.h"' | bad runtime/base/log.c 'points down'
    echo '#include "io/journal.h"' | bad runtime/core/graph.c 'points down'
    echo '#include "manager.h"' | bad runtime/io/comm_mpi.c 'points down'
    echo '#  include "launch/options.h"' | bad runtime/manager.c 'points down'
    echo '#include "backends/backend.h"' | bad runtime/worker.c 'points down'
    echo '#include "launch/options.h"' | bad backends/local.c 'points down'
    echo '#include "io/output.h"' | bad runtime/io/journal.c 'two nouns'
    echo '#include "worker.h"' | bad runtime/manager.c 'never include'
    echo '#include "manager.h"' | bad runtime/worker.h 'never include'
    echo '#include "../core/graph.h"' | bad runtime/io/workflow.c 'begin with its layer'
    echo '#include "log.h"' | bad runtime/base/log.h 'begin with its layer'
    printf '/* #include "worker.h" */\n#include "manager.h"\n#include "io/comm.h"\n' | good runtime/manager.c
    printf '#include "io/comm.h"\n#include "core/message.h"\n' | good runtime/io/comm_memory.c
    printf '#include "worker.h"\n#include "manager.h"\n#include "backends/backend.h"\n' | good launch/cmd_run.c
}

lint_main "$@"
