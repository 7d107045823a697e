/* Lines of "#SBATCH": one option in each. */
#include "backends/dialect.h"

#include <stdio.h>
#include <string.h>

/* Letters that sbatch knows for long names. */
static const struct
{
    const char *letter, *name;
} letters[] = {
    {"-N", "--nodes"},      {"-n", "--ntasks"},     {"-t", "--time"},   {"-p", "--partition"},
    {"-A", "--account"},    {"-J", "--job-name"},   {"-o", "--output"}, {"-C", "--constraint"},
    {"-q", "--qos"},        {"-c", "--cpus-per-task"}, {"-G", "--gpus"}, {"-D", "--chdir"},
};

/* What sbatch takes as one question, or would refuse together. */
static const char *const families[][7] = {
    {"--ntasks-per-node", "--ntasks", "--cpus-per-task", "--exclusive", "--ntasks-per-core", NULL},
    {"--mem", "--mem-per-cpu", "--mem-per-gpu", NULL},
    {"--gres", "--gpus", "--gpus-per-node", "--gpus-per-task", NULL},
};
#define N_FAMILIES (sizeof(families) / sizeof(*families))

static void split(const char *line, struct text_list *options)
{
    text_list_add(options, line + strspn(line, " \t"));
}

/* "--nodes" of "--nodes=3", "--nodes 3", "-N3"; cut to `size`. */
static void name_of(const char *option, char *name, size_t size)
{
    snprintf(name, size, "%.*s", (int)strcspn(option, "= \t\n"), option);
    for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++)
        if (name[0] == '-' && name[1] != '-' && strncmp(name, letters[i].letter, 2) == 0)
            snprintf(name, size, "%s", letters[i].name);
}

static size_t family_of(const char *name)
{
    for (size_t i = 0; i < N_FAMILIES; i++)
        for (size_t k = 0; families[i][k] != NULL; k++)
            if (strcmp(families[i][k], name) == 0)
                return i;
    return N_FAMILIES;
}

static bool is_same(const char *a, const char *b)
{
    char one[64], other[64];
    size_t family;

    name_of(a, one, sizeof(one));
    name_of(b, other, sizeof(other));
    family = family_of(one);
    return strcmp(one, other) == 0 || (family < N_FAMILIES && family == family_of(other));
}

/* The value of a directive, which sbatch reads much as a shell does. */
static void put(struct buffer *text, const char *option)
{
    bool is_plain = option[strcspn(option, " \t\"'\\#")] == '\0';
    size_t n_name = strcspn(option, "=");

    if (is_plain) {
        buffer_printf(text, "%s", option);
        return;
    }
    buffer_put(text, option, n_name);
    buffer_printf(text, "%s\"", option[n_name] == '=' ? "=" : "");
    for (const char *p = option + n_name + (option[n_name] == '='); *p != '\0'; p++)
        buffer_printf(text, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
    buffer_printf(text, "\"");
}

const struct dialect dialect_slurm = {
    .prefix = "#SBATCH",
    .suffix = ".sbatch",
    .time = "--time",
    .part = "hetjob",
    .split = split,
    .is_same = is_same,
    .put = put,
};
