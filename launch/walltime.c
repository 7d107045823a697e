#include "launch/walltime.h"

#include "backends/backend.h"
#include "base/alloc.h"
#include "base/amount.h"
#include "base/clock.h"
#include "base/log.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ASK_LEAST_S 30.0  /* between two questions, unless somebody wants to know … */
#define ASK_MOST_S 600.0
#define ASK_PART 0.25     /* … so much of the time that is left is let pass */
#define WANTED_LEAST_S 1.0 /* and then this */
#define MOVED_S 1.0       /* an end that moved by less is the same: clocks are no better */

int walltime_read(const char *option, const char *text, double *seconds, struct ganger_error *err)
{
    unsigned d = 0, h = 0, m = 0, s = 0;
    int n = 0;

    if (sscanf(text, "%9u%n", &m, &n) == 1 && text[n] == '\0') {
        *seconds = 60.0 * m;
        return m > 0 ? 0 : error_set(err, ERROR_USAGE, "--%s %s: no time at all", option, text);
    }
    if (amount_read_duration(text, seconds) && *seconds > 0)
        return 0;
    if ((sscanf(text, "%9u-%9u:%9u:%9u%n", &d, &h, &m, &s, &n) == 4 && text[n] == '\0') ||
        (d = 0, sscanf(text, "%9u:%9u:%9u%n", &h, &m, &s, &n) == 3 && text[n] == '\0')) {
        *seconds = ((d * 24.0 + h) * 60 + m) * 60 + s;
        return *seconds > 0 ? 0 : error_set(err, ERROR_USAGE, "--%s %s: no time at all", option, text);
    }
    return error_set(err, ERROR_USAGE,
                     "--%s %s: write it with units, like 90m, 1h30m or 2d, as 1:30:00, or in minutes", option, text);
}

struct walltime
{
    const struct backend *backend;
    char *job;
    int end[2]; /* the thread writes to end[1] … */
    int ask[2]; /* … and reads from ask[0]; that is closed at the other end when it is to leave */
    double end_s;
    bool has_failed;
    pthread_t thread;
};

static void tell(struct walltime *w, double end_s)
{
    if (isfinite(w->end_s) ? fabs(w->end_s - end_s) < MOVED_S : w->end_s == end_s)
        return;
    w->end_s = end_s;
    if (write(w->end[1], &end_s, sizeof(end_s)) < 0)
        w->end_s = NAN; /* thousands were not heard: it is said again */
}

static void ask(struct walltime *w)
{
    struct ganger_error err = {0};
    double wall_s;

    if (w->backend->find_end(w->job, &wall_s, &err) == 0)
        tell(w, clock_now_s() + (wall_s - clock_wall_s()));
    else if (isnan(w->end_s))
        tell(w, NAN);
    if (err.cause != ERROR_NONE && !w->has_failed)
        log_warning("it is not known when this job ends%s: %s", isnan(w->end_s) ? "" : ", if that has changed",
                    err.text);
    w->has_failed |= err.cause != ERROR_NONE;
}

/* Waits until it is time to ask again, or somebody wants to know. False: it is time to leave. */
static bool wait_for_wish(const struct walltime *w, double asked_s)
{
    double left_s = isfinite(w->end_s) ? w->end_s - asked_s : ASK_MOST_S / ASK_PART;
    double pause_s = fmin(fmax(ASK_PART * left_s, ASK_LEAST_S), ASK_MOST_S);
    struct pollfd wish = {w->ask[0], POLLIN, 0};
    char bytes[64];
    bool is_there;

    if (poll(&wish, 1, (int)(pause_s * 1000)) == 0)
        return true;
    is_there = (wish.revents & POLLIN) != 0;
    if (is_there && clock_now_s() - asked_s < WANTED_LEAST_S)
        poll(NULL, 0, (int)(WANTED_LEAST_S * 1000));
    return is_there && read(w->ask[0], bytes, sizeof(bytes)) > 0;
}

static void *follow(void *data)
{
    struct walltime *w = data;
    double asked_s;

    do {
        asked_s = clock_now_s();
        ask(w);
    } while (wait_for_wish(w, asked_s));
    return NULL;
}

static void close_pipe(int fds[2])
{
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void release(struct walltime *w)
{
    close_pipe(w->end);
    close_pipe(w->ask);
    free(w->job);
    free(w);
}

struct walltime *walltime_open(void)
{
    char *job = NULL;
    const struct backend *backend = getenv("GANGER_TASK_ID") == NULL ? backend_find_job(&job) : NULL;
    struct walltime *w;

    if (backend == NULL || backend->find_end == NULL) {
        free(job);
        return NULL;
    }
    w = xcalloc(1, sizeof(*w));
    *w = (struct walltime){.backend = backend, .job = job, .end = {-1, -1}, .ask = {-1, -1}, .end_s = (double)NAN};
    if (pipe2(w->end, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(w->ask, O_CLOEXEC | O_NONBLOCK) < 0 ||
        pthread_create(&w->thread, NULL, follow, w) != 0) {
        log_warning("it is not known when this job ends: there are too many descriptors or threads");
        release(w);
        return NULL;
    }
    return w;
}

/* It may just be waiting for an answer; then it is left alone, with what is its own. */
void walltime_close(struct walltime *w)
{
    struct timespec until = {.tv_sec = 0};

    if (w == NULL)
        return;
    close(w->ask[1]);
    w->ask[1] = -1;
    until.tv_sec = (time_t)clock_wall_s() + 1;
    if (pthread_timedjoin_np(w->thread, NULL, &until) == 0)
        release(w);
    else
        pthread_detach(w->thread);
}

int walltime_end_fd(const struct walltime *w)
{
    return w != NULL ? w->end[0] : -1;
}

int walltime_ask_fd(const struct walltime *w)
{
    return w != NULL ? w->ask[1] : -1;
}
