/* flow: from the path that somebody typed to a workflow, whatever its format. */
#ifndef GANGER_LAUNCH_FLOW_H
#define GANGER_LAUNCH_FLOW_H

#include "base/error.h"
#include "io/import.h"
#include "io/workflow.h"
#include "launch/options.h"

/* --replay and its kin as they were typed; NULL: not given. Part of a command's struct of options. */
struct replay_words
{
    const char *scale;
    const char *mode;
    const char *files;
    const char *dir;
};

/* Their rows; `field` is the struct replay_words in `struct options`. */
#define FLOW_REPLAY_ROWS(options, field)                                                                             \
    FLOW_REPLAY_ROW(options, field, "replay", "SCALE", scale,                                                        \
                    "replay a WfFormat trace: SCALE seconds for each recorded second"),                              \
    FLOW_REPLAY_ROW(options, field, "replay-mode", "MODE", mode,                                                     \
                    "what a replayed task does: sleep (default) or spin"),                                           \
    FLOW_REPLAY_ROW(options, field, "replay-files", "KIND", files, "its files: sparse (default), full or none"),     \
    FLOW_REPLAY_ROW(options, field, "replay-dir", "DIR", dir, "where they are made; default: NAME.replay")

#define FLOW_REPLAY_ROW(options, field, name, value, word, help)                                                     \
    {'\0', name, value, OPTION_TEXT, offsetof(struct options, field) + offsetof(struct replay_words, word), help}

/* What the words ask for; no --replay: scale 0. The words are borrowed. */
int flow_read_replay(struct replay_options *replay, const struct replay_words *words, struct ganger_error *err);

/* Like workflow_load, and reads also what io/import.h knows; warnings of what has no counterpart here are logged.
 * `replay` may be NULL. */
int flow_load(struct workflow *w, const char *path, const struct replay_options *replay, struct ganger_error *err);

/* The same of a program that may build its workflow, which it does when `path` is NULL. */
struct program;
int flow_load_of(const struct program *program, struct workflow *w, const char *path,
                 const struct replay_options *replay, struct ganger_error *err);

/* The two steps of it, for `ganger import`: all that `fd` gives, appended to `bytes`, and its format; ... */
int flow_read(int fd, const char *name, struct buffer *bytes, enum import_format *format, struct ganger_error *err);

/* ... and import_convert with the programs that stand beside ganger; warnings are logged. */
int flow_convert(enum import_format format, const char *name, const char *bytes, size_t n_bytes,
                 const struct replay_options *replay, struct buffer *ours, struct ganger_error *err);

#endif
