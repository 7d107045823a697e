#!/bin/sh
# Each foreign thing has one home: a library, the clock, the start of processes.
. "$(dirname "$0")/lib/lint.sh"

# only_in WHAT PATTERN HOMES <code: HOMES is a regular expression for the files that may.
only_in() {
    grep -E -e "$2" | grep -v -E -e "^($3):" | sed "s#\$#    <- $1 has its home in $3#"
}

header() {
    printf '#[ \t]*include[ \t]*[<"]%s[>"]' "$1"
}

check() {
    c_code_and_texts runtime backends launch >"${code:=$(mktemp)}"
    only_in 'mpi.h' "$(header 'mpi\.h')" 'runtime/io/comm_mpi(_[a-z]+)?\.[ch]|runtime/ganger_mpi\.h' <"$code"
    only_in 'hwloc' "$(header 'hwloc[^>"]*')" 'runtime/io/binding_?[a-z]*\.[ch]' <"$code"
    only_in 'jansson' "$(header 'jansson\.h')" \
        'runtime/io/(workflow[a-z_]*|import_(trace|wfformat)|journal|rundir[a-z_]*)\.[ch]|backends/(group|pbs_json)\.c|launch/[a-z_]*\.c' <"$code"
    c_code runtime backends launch >"$code"
    only_in 'the clock' "$(call_of 'clock_gettime|gettimeofday|time|clock|timespec_get|ftime')" \
        'runtime/base/clock\.c|launch/replay/replay\.c' <"$code"
    only_in 'starting a process' "$(call_of 'fork|vfork|_Fork|clone|clone3|posix_spawnp?|system|popen')" \
        'runtime/io/process\.c|backends/command\.c|launch/[a-z_]*\.c|launch/replay/forward\.c' <"$code"
    only_in 'mapping into memory' "$(call_of 'mmap|mmap64')" 'runtime/io/comm_mpi(_start)?\.c' <"$code"
    only_in 'sleeping' "$(call_of 'sleep|usleep|nanosleep|clock_nanosleep')" 'launch/replay/replay\.c' <"$code"
    rm -f "$code"
    unset code
}

self_test() {
    echo '#include <mpi.h>' | bad runtime/manager.c 'mpi.h has its home'
    echo '#include <hwloc.h>' | bad runtime/io/process.c 'hwloc has its home'
    echo '#include <hwloc/glibc-sched.h>' | bad runtime/worker.c 'hwloc has its home'
    echo '#include <jansson.h>' | bad runtime/io/output.c 'jansson has its home'
    echo '#include <jansson.h>' | bad backends/slurm.c 'jansson has its home'
    echo 'int f(void) { return fork(); }' | bad backends/slurm.c 'starting a process has'
    echo 'int f(void) { return time(NULL); }' | bad runtime/core/sched.c 'the clock has its home'
    echo 'int f(void) { return clock_gettime(CLOCK_REALTIME, &t); }' | bad launch/main.c 'the clock has'
    echo 'int f(void) { return vfork(); }' | bad runtime/worker.c 'starting a process has'
    echo 'int f(void) { return system ("ls"); }' | bad runtime/io/journal.c 'starting a process has'
    echo 'void f(void) { usleep(10); }' | bad runtime/manager.c 'sleeping has its home'
    echo 'void f(void) { nanosleep(&t, NULL); }' | bad runtime/base/clock.c 'sleeping has its home'
    echo 'void *f(int fd) { return mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0); }' | bad runtime/io/journal.c 'mapping into'
    echo '#include <mpi.h>' | good runtime/io/comm_mpi.c
    printf '#include <jansson.h>\n' | good runtime/io/workflow.c
    echo 'double f(void) { return clock_gettime(CLOCK_MONOTONIC, &t); }' | good runtime/base/clock.c
    printf '/* fork( */ char *s = "time(";\nint run_time(int), x = run_time(1), y = s->time(0);\n' | good runtime/core/sched.c
}

lint_main "$@"
