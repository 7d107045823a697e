/* template: a job script that works as it stands, changed as its reader would change it by hand.
 *
 * A template has directives ("#SBATCH --nodes=1", "#PBS -l select=1"), and one line that begins with "exec" and
 * has the words "ganger run" in it. What was asked for on the command line replaces what the template says
 * about the same; all else of it stays. */
#ifndef GANGER_LAUNCH_TEMPLATE_H
#define GANGER_LAUNCH_TEMPLATE_H

#include "backends/dialect.h"
#include "backends/group.h"
#include "base/error.h"

#include <stdbool.h>

struct template_changes /* all borrowed */
{
    const struct dialect *dialect;      /* of the directives; NULL: there are none */
    const struct text_list *directives; /* "--nodes=4": each takes the place of what says the same, or is added */
    const struct text_list *before;     /* commands, lines of shell, before the launch line … */
    const struct text_list *after;      /* … and after it; the script ends with the status of the run all the same */
    const char *cwd;                    /* the directory in which the run takes place; NULL: as it comes */
    const char *prefix;                 /* words of shell to put before the launch line; NULL: none */
    char *const *launch;                /* argv of ganger: takes the place of "ganger run …" on the launch line */
    bool drops_time;                    /* the template's own limit of time goes */
};

/* The script; the caller frees it. NULL and an error when the template has no launch line. `name` is for
 * messages. */
char *template_change(const char *text, const char *name, const struct template_changes *changes,
                      struct ganger_error *err);

/* Reads a template: a file, or by its name, without the suffix, one of the folder `folder` that belongs to this
 * program: installed beside it, or in its source tree. The caller frees the text. NULL and an error, which
 * lists what there is. */
char *template_read(const char *folder, const char *suffix, const char *name, struct ganger_error *err);

/* A word as shell takes it literally, appended to the buffer. */
struct buffer;
void template_put_word(struct buffer *text, const char *word);

#endif
