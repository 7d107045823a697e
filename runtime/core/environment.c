#include "core/environment.h"

#include "base/alloc.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Made for each task, and taken out of the run's: what an outer ganger made means nothing here. */
static const char *const own_names[] = {"GANGER_TASK_ID=", "GANGER_ATTEMPT=", "GANGER_WORKER=",
                                        "GANGER_CORES=",   "GANGER_RUN_DIR=", "GANGER_TMPDIR=",
                                        "GANGER_GPUS=",    "GANGER_EPOCH=",   "OMP_NUM_THREADS="};
#define N_OWN (sizeof(own_names) / sizeof(*own_names))

/* Say which GPUs a program may see. Only for tasks that have some: others find them as the site set them. */
static const char *const gpu_names[] = {"CUDA_VISIBLE_DEVICES=", "ROCR_VISIBLE_DEVICES="};
#define N_GPU (sizeof(gpu_names) / sizeof(*gpu_names))

static bool is_own(const char *variable)
{
    for (size_t i = 0; i < N_OWN; i++)
        if (strncmp(variable, own_names[i], strlen(own_names[i])) == 0)
            return true;
    return false;
}

void environment_set_base(struct environment *e, struct text packed)
{
    char *next;

    e->text = xmalloc((size_t)packed.n + 1);
    if (packed.n > 0)
        memcpy(e->text, packed.bytes, packed.n);
    e->text[packed.n] = '\0';
    e->base = xcalloc((size_t)text_count_packed(packed) + 1, sizeof(*e->base));
    for (next = e->text; next < e->text + packed.n; next += strlen(next) + 1)
        if (!is_own(next))
            e->base[e->n_base++] = next;
}

void environment_release(struct environment *e)
{
    free(e->text);
    free(e->base);
    free(e->envp);
    buffer_release(&e->own);
    *e = (struct environment)ENVIRONMENT_EMPTY;
}

static void put_gpus(struct buffer *b, const char *name, struct text ids)
{
    const char *id = ids.bytes;

    buffer_put(b, name, strlen(name));
    for (; id < ids.bytes + ids.n; id += strlen(id) + 1) {
        if (id > ids.bytes)
            buffer_put_u8(b, ',');
        buffer_put(b, id, strlen(id));
    }
    buffer_put_u8(b, '\0');
}

static void put_own(struct buffer *b, const struct run *run, const struct environment_place *place)
{
    uint32_t n_cores = run->slots.n / 2;

    b->n = 0;
    buffer_printf(b,
                  "GANGER_TASK_ID=%s%cGANGER_ATTEMPT=%u%cGANGER_WORKER=%u%cGANGER_CORES=%u%c"
                  "GANGER_RUN_DIR=%s%cGANGER_EPOCH=%u%cGANGER_TMPDIR=%s%cOMP_NUM_THREADS=%u%c",
                  run->id.bytes, 0, run->attempt, 0, place->worker, 0, n_cores, 0, place->run_dir, 0,
                  place->epoch, 0, place->tmpdir, 0, n_cores, 0);
    if (run->gpus.n == 0)
        return;
    put_gpus(b, "GANGER_GPUS=", run->gpus);
    for (size_t i = 0; i < N_GPU; i++)
        put_gpus(b, gpu_names[i], run->gpus);
}

/* Adds a variable, or puts it in place of one of the same name. */
static void set_variable(char **envp, uint32_t *n, char *variable)
{
    size_t n_name = (size_t)(strchrnul(variable, '=') - variable) + 1;

    for (uint32_t i = 0; i < *n; i++) {
        if (strncmp(envp[i], variable, n_name) == 0) {
            envp[i] = variable;
            return;
        }
    }
    envp[(*n)++] = variable;
}

char **environment_make(struct environment *e, const struct run *run, const struct environment_place *place)
{
    uint32_t n = e->n_base;
    const char *next = run->env.bytes;
    char *own;

    put_own(&e->own, run, place);
    while (e->envp_capacity <= (size_t)n + N_OWN + N_GPU + run->n_env)
        e->envp = xgrow(e->envp, e->envp_capacity, &e->envp_capacity, sizeof(*e->envp));
    if (n > 0)
        memcpy(e->envp, e->base, n * sizeof(*e->envp));
    for (own = e->own.bytes; own < e->own.bytes + e->own.n; own += strlen(own) + 1) {
        if (is_own(own))
            e->envp[n++] = own; /* there is no other */
        else
            set_variable(e->envp, &n, own);
    }
    for (uint32_t i = 0; i < run->n_env; i++) {
        set_variable(e->envp, &n, (char *)(uintptr_t)next);
        next += strlen(next) + 1;
    }
    e->envp[n] = NULL;
    return e->envp;
}
