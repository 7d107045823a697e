/* spelling: which known word somebody may have meant. */
#ifndef GANGER_BASE_SPELLING_H
#define GANGER_BASE_SPELLING_H

#include <stddef.h>

/* How many letters must be added, dropped, changed or swapped with their neighbour to make `b` of `a`;
 * `limit` + 1 when it is more than `limit`, or when a word has more than 63 bytes. (Optimal string
 * alignment distance.) */
unsigned spelling_distance(const char *a, const char *b, unsigned limit);

/* The nearest of `known`, borrowed; NULL when none is near enough to be meant: two letters, one in words
 * of up to four. */
const char *spelling_nearest(const char *word, const char *const *known, size_t n_known);

#endif
