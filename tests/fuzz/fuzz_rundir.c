/* Feeds the files of a run directory to what reads them back, and texts to what reads them on the command line. Built
 * by CMake with -DGANGER_FUZZ=ON (clang).
 *
 * The first byte says what: 'l' the lock, 'r' run.json, 's' submit.json, 'i' a journal and, after the line "GOUT", a
 * file of output, both with their checksums added, of which the index is made; 'n' a node as `check --node` takes it,
 * 'c' a list of cores, 't' a job template. */
#include "backends/backend.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/log.h"
#include "io/rundir.h"
#include "launch/run_index.h"
#include "launch/run_progress.h"
#include "launch/run_record.h"
#include "launch/site.h"
#include "launch/submission.h"
#include "launch/template.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static char dir[] = "/tmp/ganger-fuzz-XXXXXX";
static const char *const names[] = {"lock", "run.json", "submit.json", "journal.jsonl", "output/1-n0.out"};
enum
{
    LOCK,
    RECORD,
    SUBMISSION,
    JOURNAL,
    OUTPUT,
    N_NAMES,
};
static char *paths[N_NAMES];

static void clean_up(void)
{
    char *output = xasprintf("%s/output", dir);

    for (size_t i = 0; i < N_NAMES; i++) {
        unlink(paths[i]);
        free(paths[i]);
    }
    rmdir(output);
    rmdir(dir);
    free(output);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char *output;

    (void)argc;
    (void)argv;
    log_set_fd(-1);
    if (mkdtemp(dir) == NULL)
        abort();
    output = xasprintf("%s/output", dir);
    if (mkdir(output, 0700) < 0)
        abort();
    free(output);
    for (size_t i = 0; i < N_NAMES; i++)
        paths[i] = xasprintf("%s/%s", dir, names[i]);
    atexit(clean_up);
    return 0;
}

static void write_file(int which, const void *bytes, size_t n)
{
    FILE *file = fopen(paths[which], "wb");

    if (file == NULL || fwrite(bytes, 1, n, file) != n || fclose(file) != 0)
        abort();
}

static void check_refusal(const struct ganger_error *err)
{
    if (err->cause == ERROR_NONE || err->text[0] == '\0')
        abort();
}

/* Looking changes nothing, and says the same as taking. */
static void read_lock(const char *bytes, size_t n)
{
    struct ganger_error err = {0}, other = {0};
    struct rundir d;
    int status;

    unlink(paths[JOURNAL]);
    write_file(LOCK, bytes, n);
    status = rundir_check(dir, false, &err);
    if (status < 0)
        check_refusal(&err);
    if (rundir_open(&d, dir, false, &other) != status)
        abort();
    if (status == 0)
        rundir_close(&d);
    unlink(paths[LOCK]);
}

static void read_record(const char *bytes, size_t n)
{
    struct ganger_error err = {0};
    struct run_record record;
    struct rundir d;

    write_file(RECORD, bytes, n);
    if (rundir_open_to_read(&d, dir, &err) < 0)
        abort();
    if (read_run_record(&record, &d, &err) < 0)
        check_refusal(&err);
    else
        release_run_record(&record);
    rundir_close(&d);
}

/* What was read can be written, unless a text in it is none, and is read again. */
static void read_submission(const char *bytes, size_t n)
{
    struct ganger_error err = {0};
    struct submission s;

    write_file(SUBMISSION, bytes, n);
    if (submission_read(&s, dir, &err) < 0) {
        check_refusal(&err);
        return;
    }
    if (submission_write(&s, &err) < 0)
        abort();
    submission_release(&s);
    if (submission_read(&s, dir, &err) != 1)
        abort();
    submission_release(&s);
}

static void add_checksums(struct buffer *b, const char *bytes, size_t n)
{
    while (n > 0) {
        const char *newline = memchr(bytes, '\n', n);
        size_t length = newline != NULL ? (size_t)(newline - bytes) : n;

        buffer_put(b, bytes, length);
        buffer_printf(b, ",\"crc\":\"%08x\"}\n", (unsigned)XXH32(bytes, length, 0));
        length += newline != NULL;
        bytes += length;
        n -= length;
    }
}

/* As the writer of output does it, wherever something begins like a header. */
static void add_checks(struct buffer *b)
{
    for (size_t at = 0; at + 40 <= b->n; at++) {
        uint32_t n, check;
        uint64_t hash;

        if (memcmp(b->bytes + at, "GOUT", 4) != 0)
            continue;
        check = XXH32(b->bytes + at, 28, (uint32_t)at);
        memcpy(b->bytes + at + 28, &check, 4);
        memcpy(&n, b->bytes + at + 16, 4);
        if (n > b->n - at - 40)
            continue;
        hash = XXH64(b->bytes + at + 40, n, check);
        memcpy(b->bytes + at + 32, &hash, 8);
    }
}

/* Every task has its name, and can be found by it; its attempts are its own. */
static void check_index(const struct run_index *x)
{
    uint32_t *order = run_index_order(x);

    for (uint32_t i = 0; i < x->n_tasks; i++) {
        const char *name = run_index_name(x, order[i]);

        if (order[i] >= x->n_tasks || name == NULL || name[0] == '\0')
            abort();
        for (uint32_t a = x->tasks[i].last; a != NO_ATTEMPT; a = x->attempts[a].previous)
            if (a >= x->n_attempts || x->attempts[a].task != i)
                abort();
        run_index_attempt(x, i, 1);
    }
    run_index_find(x, "node.setup");
    run_index_find(x, "a");
    free(order);
}

static void read_index(const char *bytes, size_t n)
{
    const char *split = memmem(bytes, n, "\nGOUT", 5);
    size_t n_journal = split != NULL ? (size_t)(split - bytes) : n;
    struct buffer b = BUFFER_EMPTY;
    struct ganger_error err = {0};
    struct run_progress progress;
    struct run_index index;
    struct rundir d;

    add_checksums(&b, bytes, n_journal);
    write_file(JOURNAL, b.bytes != NULL ? b.bytes : "", b.n);
    b.n = 0;
    if (split != NULL)
        buffer_put(&b, split + 1, n - n_journal - 1);
    add_checks(&b);
    write_file(OUTPUT, b.bytes != NULL ? b.bytes : "", b.n);
    buffer_release(&b);
    if (rundir_open_to_read(&d, dir, &err) < 0)
        abort();
    if (run_index_read(&index, &d, &err) < 0)
        check_refusal(&err);
    else
        check_index(&index);
    run_index_release(&index);
    run_progress_read(&progress, &d, NULL);
    rundir_close(&d);
}

static void read_node(const char *text)
{
    struct option_list words = {&text, 1, 1};
    struct ganger_error err = {0};
    struct site s;

    if (site_read(&s, &words, &err) < 0) {
        check_refusal(&err);
        return;
    }
    if (s.nodes.n_kinds != 1 || s.kinds[0].n == 0 || s.kinds[0].cores == 0)
        abort();
    site_release(&s);
}

static void read_cores(const char *text)
{
    struct ganger_error err = {0};
    uint32_t *cores;
    int n = site_read_cores(text, &cores, &err);

    if (n < 0) {
        check_refusal(&err);
        return;
    }
    for (int i = 0; i < n; i++)
        if (cores[i] == 0 || cores[i] > UINT16_MAX)
            abort();
    free(cores);
}

static void change_template(const char *text)
{
    static char *directive[] = {(char *)(uintptr_t) "--nodes=2", (char *)(uintptr_t) "--comment=a \"b\" $c"};
    static char *line[] = {(char *)(uintptr_t) "true"};
    static char *launch[] = {(char *)(uintptr_t) "ganger", (char *)(uintptr_t) "run", (char *)(uintptr_t) "it's",
                             NULL};
    struct text_list directives = {directive, 2, 2}, lines = {line, 1, 1};
    struct template_changes changes = {.dialect = backend_slurm.dialect, .directives = &directives, .before = &lines,
                                       .after = &lines, .cwd = "/a b", .launch = launch, .drops_time = true};
    struct ganger_error err = {0};
    char *script = template_change(text, "fuzz", &changes, &err);

    if (script == NULL)
        check_refusal(&err);
    else if (strstr(script, "#SBATCH --nodes=2\n") == NULL || strstr(script, "run 'it'\\''s'") == NULL)
        abort();
    free(script);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const char *rest = (const char *)bytes + 1;
    char *text;

    if (n < 1)
        return 0;
    text = xstrndup(rest, n - 1);
    switch (bytes[0]) {
    case 'l': read_lock(rest, n - 1); break;
    case 'r': read_record(rest, n - 1); break;
    case 's': read_submission(rest, n - 1); break;
    case 'i': read_index(rest, n - 1); break;
    case 'n': read_node(text); break;
    case 'c': read_cores(text); break;
    case 't': change_template(text); break;
    default: break;
    }
    free(text);
    return 0;
}
