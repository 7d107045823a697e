/* footprint: how much memory a task holds, all of its processes together.
 *
 * What it maps from files is left out: the kernel takes that back when others need room. Knows nothing of tasks: a
 * worker runs one at a time and adopts orphans, so that all descendants of its thread are of that task. */
#ifndef GANGER_IO_FOOTPRINT_H
#define GANGER_IO_FOOTPRINT_H

#include <stdbool.h>
#include <stdint.h>

struct footprint
{
    uint64_t bytes;
    uint32_t n_processes;
};

/* Of all descendants of the calling thread. Memory that several share counts for each of them: never too little, and
 * cheap (some 20 us for each process). */
struct footprint footprint_at_most(void);

/* The same with what is shared divided among who share it, as far as the kernel tells. The kernel walks all pages
 * of each process for that, some 10 ms for each GiB. */
struct footprint footprint_exact(void);

#endif
