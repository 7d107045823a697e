#include "io/hook_thread.h"

#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct hook_queue
{
    struct ganger_hook *first;
    struct ganger_hook **last; /* where the next one's address goes */
};

struct hook_thread
{
    struct hooks hooks;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t given;
    struct hook_queue posted;
    struct hook_queue returned;
    struct ganger_hook *running; /* NULL: none */
    bool must_end;
    int fd;
};

static void queue_init(struct hook_queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_put(struct hook_queue *q, struct ganger_hook *hook)
{
    hook->next = NULL;
    *q->last = hook;
    q->last = &hook->next;
}

static struct ganger_hook *queue_take(struct hook_queue *q)
{
    struct ganger_hook *hook = q->first;

    if (hook == NULL)
        return NULL;
    q->first = hook->next;
    if (q->first == NULL)
        q->last = &q->first;
    return hook;
}

static void free_thread(struct hook_thread *t)
{
    struct ganger_hook *hook;

    while ((hook = queue_take(&t->posted)) != NULL)
        hook_free(hook);
    while ((hook = queue_take(&t->returned)) != NULL)
        hook_free(hook);
    pthread_mutex_destroy(&t->mutex);
    pthread_cond_destroy(&t->given);
    if (t->fd >= 0)
        close(t->fd);
    free(t);
}

static void run_first(struct hook_thread *t)
{
    uint64_t one = 1;

    t->running = queue_take(&t->posted);
    pthread_mutex_unlock(&t->mutex);
    hook_run(t->running, &t->hooks);
    pthread_mutex_lock(&t->mutex);
    queue_put(&t->returned, t->running);
    t->running = NULL;
    if (!t->must_end && write(t->fd, &one, sizeof(one)) < 0) {
        /* full: it is readable, which is all that matters */
    }
}

static void *run_hooks(void *data)
{
    struct hook_thread *t = data;
    bool is_abandoned = false;

    pthread_mutex_lock(&t->mutex);
    while (!t->must_end) {
        if (t->posted.first == NULL) {
            pthread_cond_wait(&t->given, &t->mutex);
            continue;
        }
        run_first(t);
        is_abandoned = t->must_end; /* while it ran */
    }
    pthread_mutex_unlock(&t->mutex);
    if (is_abandoned) /* nobody waits for us */
        free_thread(t);
    return NULL;
}

static int start(struct hook_thread *t)
{
    sigset_t all, before;
    int number;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    number = pthread_create(&t->thread, NULL, run_hooks, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = number;
    return number == 0 ? 0 : -1;
}

struct hook_thread *hook_thread_open(const struct hooks *hooks, struct ganger_error *err)
{
    struct hook_thread *t = xcalloc(1, sizeof(*t));

    t->hooks = *hooks;
    queue_init(&t->posted);
    queue_init(&t->returned);
    t->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->given, NULL);
    if (t->fd >= 0 && start(t) == 0)
        return t;
    error_set_errno(err, ERROR_SYSTEM, "cannot start the thread that calls the program's hooks");
    free_thread(t);
    return NULL;
}

int hook_thread_fd(const struct hook_thread *t)
{
    return t->fd;
}

void hook_thread_post(struct hook_thread *t, struct ganger_hook *hook)
{
    pthread_mutex_lock(&t->mutex);
    queue_put(&t->posted, hook);
    pthread_cond_signal(&t->given);
    pthread_mutex_unlock(&t->mutex);
}

struct ganger_hook *hook_thread_take(struct hook_thread *t)
{
    struct ganger_hook *hook;
    uint64_t count;

    pthread_mutex_lock(&t->mutex);
    hook = queue_take(&t->returned);
    if (t->returned.first == NULL)
        (void)!read(t->fd, &count, sizeof(count));
    pthread_mutex_unlock(&t->mutex);
    return hook;
}

bool hook_thread_running(struct hook_thread *t, task_id *task, enum hook_kind *kind)
{
    bool is;

    pthread_mutex_lock(&t->mutex);
    is = t->running != NULL;
    if (is) {
        *task = t->running->task;
        *kind = t->running->kind;
    }
    pthread_mutex_unlock(&t->mutex);
    return is;
}

bool hook_thread_close(struct hook_thread *t)
{
    pthread_t thread;
    bool is_busy;

    if (t == NULL)
        return true;
    pthread_mutex_lock(&t->mutex);
    thread = t->thread;
    is_busy = t->running != NULL;
    t->must_end = true;
    pthread_cond_signal(&t->given);
    pthread_mutex_unlock(&t->mutex);
    if (is_busy) {
        pthread_detach(thread);
        return false;
    }
    pthread_join(thread, NULL);
    free_thread(t);
    return true;
}
