/* kernel: what a task does besides reading and writing its data. */
#ifndef GANGER_TASKBENCH_KERNEL_H
#define GANGER_TASKBENCH_KERNEL_H

#include <stdint.h>

enum kernel_kind
{
    KERNEL_EMPTY,   /* nothing */
    KERNEL_COMPUTE, /* per iteration: 32 multiply-adds of doubles that stay in registers or the first cache */
    KERNEL_MEMORY,  /* per iteration: copies 4 KiB, going round 8 MiB of a worker's own */
    KERNEL_N_KINDS
};

struct kernel
{
    enum kernel_kind kind;
    int64_t n_iterations;
};

/* What kernels of one thread work on; not shared between threads. */
struct kernel_room;

/* "empty", "compute", "memory"; and the kind of a name, or KERNEL_N_KINDS. */
const char *kernel_name(enum kernel_kind kind);
enum kernel_kind kernel_of_name(const char *name);

struct kernel_room *kernel_room_new(const struct kernel *kernel);
void kernel_room_free(struct kernel_room *room);

void kernel_run(const struct kernel *kernel, struct kernel_room *room);

#endif
