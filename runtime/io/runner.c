#include "io/runner.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct runner
{
    const struct registry *registry;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t given;
    struct ganger_call *call; /* NULL: idle */
    struct registry_function function; /* that it calls: the thread looks nothing up, it may outlive the registry */
    bool has_ended;           /* the call has */
    bool must_end;            /* the thread must */
    int fd;
};

static void free_runner(struct runner *r)
{
    pthread_mutex_destroy(&r->mutex);
    pthread_cond_destroy(&r->given);
    close(r->fd);
    free(r);
}

static void run(struct runner *r, struct ganger_call *call)
{
    pthread_mutex_unlock(&r->mutex);
    call->start_s = clock_now_s();
    call->status = r->function.body(call);
    call->end_s = clock_now_s();
    pthread_mutex_lock(&r->mutex);
}

static void *run_calls(void *data)
{
    struct runner *r = data;
    uint64_t one = 1;
    bool is_abandoned;

    pthread_mutex_lock(&r->mutex);
    while (!r->must_end) {
        if (r->call == NULL || r->has_ended) {
            pthread_cond_wait(&r->given, &r->mutex);
            continue;
        }
        run(r, r->call);
        r->has_ended = true;
        if (!r->must_end && write(r->fd, &one, sizeof(one)) < 0) {
            /* full: it is readable, which is all that matters */
        }
    }
    is_abandoned = r->call != NULL;
    pthread_mutex_unlock(&r->mutex);
    if (is_abandoned) { /* nobody waits for us */
        call_free(r->call);
        free_runner(r);
    }
    return NULL;
}

static int start_thread(struct runner *r)
{
    sigset_t all, before;
    int number;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    number = pthread_create(&r->thread, NULL, run_calls, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = number;
    return number == 0 ? 0 : -1;
}

struct runner *runner_open(const struct registry *registry, struct ganger_error *err)
{
    struct runner *r = xcalloc(1, sizeof(*r));

    r->registry = registry;
    r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->given, NULL);
    if (r->fd >= 0 && start_thread(r) == 0)
        return r;
    error_set_errno(err, ERROR_SYSTEM, "cannot start the thread that runs functions");
    free_runner(r);
    return NULL;
}

int runner_bind(struct runner *r, const cpu_set_t *mask, size_t n_bytes, struct ganger_error *err)
{
    errno = pthread_setaffinity_np(r->thread, n_bytes, mask);
    if (errno == 0)
        return 0;
    return error_set_errno(err, ERROR_SYSTEM, "cannot bind the thread that runs functions to the cores of its task");
}

int runner_fd(const struct runner *r)
{
    return r->fd;
}

void runner_give(struct runner *r, struct ganger_call *call)
{
    pthread_mutex_lock(&r->mutex);
    assert(r->call == NULL && call->function < r->registry->n);
    r->call = call;
    r->function = r->registry->functions[call->function];
    r->has_ended = false;
    pthread_cond_signal(&r->given);
    pthread_mutex_unlock(&r->mutex);
}

struct ganger_call *runner_take(struct runner *r)
{
    struct ganger_call *call = NULL;
    uint64_t count;

    pthread_mutex_lock(&r->mutex);
    if (r->call != NULL && r->has_ended) {
        call = r->call;
        r->call = NULL;
        (void)!read(r->fd, &count, sizeof(count));
    }
    pthread_mutex_unlock(&r->mutex);
    return call;
}

void runner_close(struct runner *r)
{
    pthread_t thread;
    bool is_busy;

    if (r == NULL)
        return;
    pthread_mutex_lock(&r->mutex);
    thread = r->thread;
    is_busy = r->call != NULL;
    r->must_end = true;
    pthread_cond_signal(&r->given);
    pthread_mutex_unlock(&r->mutex);
    if (is_busy) {
        pthread_detach(thread);
        return;
    }
    pthread_join(thread, NULL);
    free_runner(r);
}
