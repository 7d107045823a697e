/* What a piece of the library has done, counted instead of timed: the same on a busy machine as on an idle one. The
 * library that these tests are linked with is compiled so that each basic block calls here
 * (-fsanitize-coverage=trace-pc), and memory that it copies, moves or fills counts by the cache line. Not counted: what
 * the C library does besides, and what it costs that memory is far away, which the benchmarks show. */
#pragma once

#include <stdint.h>

/* Basic blocks run and cache lines copied, moved or filled since the program began. One thread. */
uint64_t steps_taken(void);
