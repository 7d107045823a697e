#include "launch/flow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int choose(const char *option, const char *word, const char *const *known, size_t n_known, int *chosen,
                  struct ganger_error *err)
{
    *chosen = 0;
    if (word == NULL)
        return 0;
    for (size_t i = 0; i < n_known; i++) {
        if (strcmp(word, known[i]) == 0) {
            *chosen = (int)i;
            return 0;
        }
    }
    return error_set(err, ERROR_USAGE, "--%s takes %s, %s%s%s, not \"%s\"", option, known[0],
                     n_known > 2 ? known[1] : "", n_known > 2 ? " or " : "or ", known[n_known - 1], word);
}

int flow_read_replay(struct replay_options *replay, const struct replay_words *words, struct ganger_error *err)
{
    static const char *const modes[] = {[REPLAY_SLEEP] = "sleep", [REPLAY_SPIN] = "spin"};
    static const char *const kinds[] = {[REPLAY_SPARSE] = "sparse", [REPLAY_FULL] = "full", [REPLAY_NONE] = "none"};
    int mode, files;
    char *end;

    *replay = (struct replay_options){.dir = words->dir};
    if (words->scale == NULL && (words->mode != NULL || words->files != NULL || words->dir != NULL))
        return error_set(err, ERROR_USAGE, "--replay-mode, --replay-files and --replay-dir say how to replay: they "
                                           "need --replay SCALE");
    if (words->scale == NULL)
        return 0;
    replay->scale = strtod(words->scale, &end);
    if (end == words->scale || *end != '\0' || !isfinite(replay->scale) || replay->scale <= 0)
        return error_set(err, ERROR_USAGE, "--replay takes a number above 0, by which recorded times are multiplied, "
                                           "not \"%s\"", words->scale);
    if (choose("replay-mode", words->mode, modes, 2, &mode, err) != 0 ||
        choose("replay-files", words->files, kinds, 3, &files, err) != 0)
        return -1;
    replay->mode = (enum replay_mode)mode;
    replay->files = (enum replay_files)files;
    return 0;
}

int flow_load(struct workflow *w, const char *path, const struct replay_options *replay, struct ganger_error *err)
{
    if (replay != NULL && replay->scale > 0)
        return error_set(err, ERROR_USAGE, "%.1000s records no run times: --replay takes a trace in WfFormat", path);
    return workflow_load(w, path, err);
}
