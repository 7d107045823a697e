#include "core/outcome.h"

#include <signal.h>
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
    case TASK_TIMED_OUT: snprintf(text, OUTCOME_BYTES, "ended at its timeout"); break;
    case TASK_INPUT_MISSING:
        snprintf(text, OUTCOME_BYTES, "a declared input is missing: %s", strerror(code));
        break;
    case TASK_OUTPUT_MISSING:
        snprintf(text, OUTCOME_BYTES, "a declared output is missing: %s", strerror(code));
        break;
    case TASK_LOST: snprintf(text, OUTCOME_BYTES, "lost with its worker"); break;
    case TASK_UNPLACEABLE: snprintf(text, OUTCOME_BYTES, "no node can hold it"); break;
    case TASK_OUT_OF_MEMORY: snprintf(text, OUTCOME_BYTES, "out of memory"); break;
    case TASK_OUTPUT_LIMIT: snprintf(text, OUTCOME_BYTES, "wrote more output than --max-output"); break;
    case TASK_RETURNED: snprintf(text, OUTCOME_BYTES, "its function returned %d", code); break;
    case TASK_REFUSED: snprintf(text, OUTCOME_BYTES, "its program says that it failed"); break;
    case N_TASK_ENDS: break;
    }
}

/* What stands before the reason that `tail` gives. */
static const char *reason_starts(enum task_end end)
{
    switch (end) {
    case TASK_OUTPUT_LOST: return "its output could not be kept: ";
    case TASK_INPUT_MISSING: return "a declared input is missing: ";
    case TASK_OUTPUT_MISSING: return "a declared output is missing: ";
    case TASK_UNPLACEABLE: return "no node can hold it: ";
    case TASK_OUT_OF_MEMORY: return "out of memory: ";
    case TASK_REFUSED: return "its program says that it failed: ";
    default: return "could not be started: ";
    }
}

/* One that needed KILL says so: the program does not heed TERM. */
static void describe_timeout(int signal, char text[OUTCOME_BYTES])
{
    if (signal != 0 && signal != SIGTERM)
        describe_signal("ended at its timeout, with ", signal, text);
    else
        outcome_classify(TASK_TIMED_OUT, signal, text);
}

void outcome_describe(const struct task_result *result, char text[OUTCOME_BYTES])
{
    const char *why = result->tail != NULL ? result->tail : "";
    int n = (int)strnlen(why, result->n_tail_bytes);
    const char *known = strerror(result->code);

    if (result->end == TASK_TIMED_OUT)
        describe_timeout(result->code, text);
    else if (result->end == TASK_RETURNED && n > 0)
        snprintf(text, OUTCOME_BYTES, "its function returned %d: %.*s", result->code, n, why);
    else if (!task_end_has_reason(result->end) || n == 0)
        outcome_classify(result->end, result->code, text);
    else if (result->end != TASK_NOT_STARTED || memmem(why, (size_t)n, known, strlen(known)) != NULL)
        snprintf(text, OUTCOME_BYTES, "%s%.*s", reason_starts(result->end), n, why);
    else
        snprintf(text, OUTCOME_BYTES, "could not be started: %s: %.*s", known, n, why);
}
