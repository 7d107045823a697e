/* dialect: how a batch system reads its lines in a job script, so that what is asked for on the command line
 * can take the place of what a template says about the same. Pure.
 *
 * An option is one text: "--nodes=4", "-l walltime=01:00:00". */
#ifndef GANGER_BACKENDS_DIALECT_H
#define GANGER_BACKENDS_DIALECT_H

#include "backends/group.h"
#include "base/buffer.h"

#include <stdbool.h>

struct dialect
{
    const char *prefix; /* how its lines begin: "#SBATCH" */
    const char *suffix; /* how its scripts' names end: ".sbatch" */
    const char *time;   /* an option that is about the time limit */
    const char *part;   /* a line of that word alone: what follows is about another part of the job; NULL: none is */

    /* Appends the options that stand in a line, without the prefix. */
    void (*split)(const char *line, struct text_list *options);

    /* Do they say something about the same, or would they be refused together? */
    bool (*is_same)(const char *a, const char *b);

    /* Our option, put into the template's about the same; NULL: the template says nothing of it. The caller
     * frees the result, which is NULL when the two are about different things. The whole is NULL where ours
     * just takes the place of theirs. */
    char *(*join)(const char *theirs, const char *ours);

    /* Appends the option as it stands in a script. */
    void (*put)(struct buffer *text, const char *option);
};

extern const struct dialect dialect_slurm, dialect_pbs;

/* All options of a script's lines. */
void dialect_read_script(const struct dialect *d, const char *script, struct text_list *options);

#endif
