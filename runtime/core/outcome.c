#include "core/outcome.h"

#include <stdio.h>
#include <string.h>

static void describe_signal(const char *start, int signal, char *text)
{
    const char *name = sigabbrev_np(signal);

    if (name != NULL)
        snprintf(text, OUTCOME_BYTES, "%ssignal %d (%s)", start, signal, name);
    else
        snprintf(text, OUTCOME_BYTES, "%ssignal %d", start, signal);
}

void outcome_classify(enum task_end end, int code, char text[OUTCOME_BYTES])
{
    switch (end) {
    case TASK_EXITED: snprintf(text, OUTCOME_BYTES, "exit status %d", code); break;
    case TASK_SIGNALLED: describe_signal("", code, text); break;
    case TASK_NOT_STARTED:
        snprintf(text, OUTCOME_BYTES, "could not be started: %s", strerror(code));
        break;
    case TASK_OUTPUT_LOST:
        snprintf(text, OUTCOME_BYTES, "its output could not be kept: %s", strerror(code));
        break;
    case TASK_CANCELLED:
        if (code != 0)
            describe_signal("cancelled with ", code, text);
        else
            snprintf(text, OUTCOME_BYTES, "cancelled");
        break;
    }
}

void outcome_describe(const struct task_result *result, char text[OUTCOME_BYTES])
{
    const char *why = result->tail != NULL ? result->tail : "";
    int n = (int)strnlen(why, result->n_tail_bytes);
    const char *known = strerror(result->code);

    if (!task_end_has_reason(result->end) || n == 0)
        outcome_classify(result->end, result->code, text);
    else if (result->end == TASK_OUTPUT_LOST)
        snprintf(text, OUTCOME_BYTES, "its output could not be kept: %.*s", n, why);
    else if (memmem(why, (size_t)n, known, strlen(known)) != NULL) /* said once is enough */
        snprintf(text, OUTCOME_BYTES, "could not be started: %.*s", n, why);
    else
        snprintf(text, OUTCOME_BYTES, "could not be started: %s: %.*s", known, n, why);
}
