#include "taskbench/arguments.h"

#include "base/alloc.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum
{
    OPTION_PATTERN = 1,
    OPTION_WIDTH,
    OPTION_STEPS,
    OPTION_RADIX,
    OPTION_SHARE,
    OPTION_SEED,
    OPTION_BYTES,
    OPTION_GRAPHS,
    OPTION_KERNEL,
    OPTION_ITERATIONS,
    OPTION_WORKERS,
    OPTION_CORES,
    OPTION_SPOIL,
};

static const struct option long_options[] = {
    {"pattern", required_argument, NULL, OPTION_PATTERN}, {"width", required_argument, NULL, OPTION_WIDTH},
    {"steps", required_argument, NULL, OPTION_STEPS},     {"radix", required_argument, NULL, OPTION_RADIX},
    {"share", required_argument, NULL, OPTION_SHARE},     {"seed", required_argument, NULL, OPTION_SEED},
    {"bytes", required_argument, NULL, OPTION_BYTES},     {"graphs", required_argument, NULL, OPTION_GRAPHS},
    {"kernel", required_argument, NULL, OPTION_KERNEL},   {"iterations", required_argument, NULL, OPTION_ITERATIONS},
    {"workers", required_argument, NULL, OPTION_WORKERS}, {"cores", required_argument, NULL, OPTION_CORES},
    {"spoil", no_argument, NULL, OPTION_SPOIL},           {NULL, 0, NULL, 0},
};

const char *arguments_help(void)
{
    return "  --pattern LIST   trivial, no_comm, stencil_1d, dom, tree, fft, all_to_all, nearest, spread,\n"
           "                   random_nearest; separated by commas; all (default: stencil_1d)\n"
           "  --width N        tasks of a step (default: 4)\n"
           "  --steps N        steps (default: 1000)\n"
           "  --radix N        inputs of a task of nearest, spread; window of random_nearest (default: 5)\n"
           "  --share X        of that window, what is read (default: 0.5)\n"
           "  --seed N         for that draw (default: 1)\n"
           "  --bytes LIST     output of each task, multiples of 16 (default: 16)\n"
           "  --graphs LIST    graphs at once (default: 1)\n"
           "  --kernel NAME    empty, compute, memory (default: empty)\n"
           "  --iterations N   of the kernel (default: 0)\n"
           "  --workers N      threads; over MPI it is the launcher who says how many (default: 1)\n"
           "  --cores N        that they and their scheduler occupy, to be reported (default: as many as workers)\n"
           "  --spoil          one byte of one output is wrong: must end in a message and status 3\n";
}

static int read_number(const char *name, const char *word, long least, long most, long *number,
                       struct ganger_error *err)
{
    char *end;

    errno = 0;
    *number = strtol(word, &end, 10);
    if (errno != 0 || end == word || *end != '\0' || *number < least || *number > most) {
        return error_set(err, ERROR_USAGE, "--%s %s: say a whole number from %ld to %ld", name, word, least,
                         most);
    }
    return 0;
}

static int read_int(const char *name, const char *word, int least, int *number, struct ganger_error *err)
{
    long value;

    if (read_number(name, word, least, INT_MAX, &value, err) != 0)
        return -1;
    *number = (int)value;
    return 0;
}

static int read_share(const char *word, double *share, struct ganger_error *err)
{
    char *end;

    *share = strtod(word, &end);
    if (end == word || *end != '\0' || !(*share >= 0.0 && *share <= 1.0))
        return error_set(err, ERROR_USAGE, "--share %s: say a number from 0 to 1", word);
    return 0;
}

static int read_kernel(const char *word, enum kernel_kind *kind, struct ganger_error *err)
{
    *kind = kernel_of_name(word);
    if (*kind == KERNEL_N_KINDS)
        return error_set(err, ERROR_USAGE, "--kernel %s: say empty, compute or memory", word);
    return 0;
}

/* The lists: one word of them is added. */

static int add_pattern(struct arguments *a, const char *word, struct ganger_error *err)
{
    enum pattern_kind kind = pattern_of_name(word);

    if (kind == PATTERN_N_KINDS)
        return error_set(err, ERROR_USAGE, "--pattern: there is no pattern %s", word);
    a->kinds[a->n_kinds++] = kind;
    return 0;
}

static int add_bytes(struct arguments *a, const char *word, struct ganger_error *err)
{
    long n;

    if (read_number("bytes", word, PAYLOAD_UNIT_BYTES, INT_MAX / 2, &n, err) != 0)
        return -1;
    if (n % PAYLOAD_UNIT_BYTES != 0)
        return error_set(err, ERROR_USAGE, "--bytes %s: say a multiple of %d", word, PAYLOAD_UNIT_BYTES);
    a->bytes[a->n_bytes++] = (size_t)n;
    return 0;
}

static int add_graphs(struct arguments *a, const char *word, struct ganger_error *err)
{
    return read_int("graphs", word, 1, &a->graphs[a->n_graphs++], err);
}

/* Leaves `words` as they are: they may be given to other processes later. */
static int read_list(struct arguments *a, const char *words,
                     int (*add)(struct arguments *, const char *, struct ganger_error *), int *n,
                     struct ganger_error *err)
{
    char *copy = xstrdup(words);
    char *next = copy;
    char *word;
    int status = 0;

    *n = 0;
    while (status == 0 && (word = strsep(&next, ",")) != NULL) {
        if (*n == ARGUMENTS_MOST)
            status = error_set(err, ERROR_USAGE, "%s: a list of more than %d", words, ARGUMENTS_MOST);
        else
            status = add(a, word, err);
    }
    free(copy);
    return status;
}

static int read_patterns(struct arguments *a, const char *words, struct ganger_error *err)
{
    if (strcmp(words, "all") != 0)
        return read_list(a, words, add_pattern, &a->n_kinds, err);
    for (a->n_kinds = 0; a->n_kinds < PATTERN_N_KINDS; a->n_kinds++)
        a->kinds[a->n_kinds] = (enum pattern_kind)a->n_kinds;
    return 0;
}

static int read_seed(struct arguments *a, const char *word, struct ganger_error *err)
{
    long seed;

    if (read_number("seed", word, 0, LONG_MAX, &seed, err) != 0)
        return -1;
    a->pattern.seed = (uint64_t)seed;
    return 0;
}

static int read_iterations(struct arguments *a, const char *word, struct ganger_error *err)
{
    long n;

    if (read_number("iterations", word, 0, LONG_MAX, &n, err) != 0)
        return -1;
    a->kernel.n_iterations = n;
    return 0;
}

static int read_option(struct arguments *a, int option, const char *word, struct ganger_error *err)
{
    switch (option) {
    case OPTION_PATTERN: return read_patterns(a, word, err);
    case OPTION_WIDTH: return read_int("width", word, 1, &a->pattern.width, err);
    case OPTION_STEPS: return read_int("steps", word, 1, &a->pattern.n_steps, err);
    case OPTION_RADIX: return read_int("radix", word, 1, &a->pattern.radix, err);
    case OPTION_SHARE: return read_share(word, &a->pattern.share, err);
    case OPTION_SEED: return read_seed(a, word, err);
    case OPTION_BYTES: return read_list(a, word, add_bytes, &a->n_bytes, err);
    case OPTION_GRAPHS: return read_list(a, word, add_graphs, &a->n_graphs, err);
    case OPTION_KERNEL: return read_kernel(word, &a->kernel.kind, err);
    case OPTION_ITERATIONS: return read_iterations(a, word, err);
    case OPTION_WORKERS: return read_int("workers", word, 1, &a->n_workers, err);
    case OPTION_CORES: return read_int("cores", word, 1, &a->n_cores, err);
    case OPTION_SPOIL: a->spoil = true; return 0;
    default: return error_set(err, ERROR_USAGE, "the options are:\n%s", arguments_help());
    }
}

int arguments_read(struct arguments *a, int argc, char **argv, int n_workers, struct ganger_error *err)
{
    int option;

    *a = (struct arguments){
        .pattern = {.width = 4, .n_steps = 1000, .radix = 5, .share = 0.5, .seed = 1},
        .kernel = {.kind = KERNEL_EMPTY},
        .n_workers = n_workers,
        .kinds = {PATTERN_STENCIL_1D},
        .n_kinds = 1,
        .bytes = {PAYLOAD_UNIT_BYTES},
        .n_bytes = 1,
        .graphs = {1},
        .n_graphs = 1,
    };
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (read_option(a, option, optarg, err) != 0)
            return -1;
    }
    if (optind < argc)
        return error_set(err, ERROR_USAGE, "%s: no option; the options are:\n%s", argv[optind], arguments_help());
    return 0;
}

int arguments_n_trials(const struct arguments *a)
{
    return a->n_kinds * a->n_bytes * a->n_graphs;
}

void arguments_trial(const struct arguments *a, int i, struct trial *trial)
{
    struct pattern pattern = a->pattern;

    pattern.kind = a->kinds[i / (a->n_bytes * a->n_graphs)];
    *trial = (struct trial){
        .kernel = a->kernel,
        .n_graphs = a->graphs[i % a->n_graphs],
        .n_bytes = a->bytes[i / a->n_graphs % a->n_bytes],
        .n_workers = a->n_workers,
        .spoil = a->spoil,
    };
    plan_init(&trial->plan, &pattern);
}
