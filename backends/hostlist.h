/* hostlist: the short forms in which a batch system names many hosts, and says a number for each. Pure. */
#ifndef GANGER_BACKENDS_HOSTLIST_H
#define GANGER_BACKENDS_HOSTLIST_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define HOSTLIST_MAX 1000000 /* more is a mistake */

/* "n[1-3,7],login,r[01-02]c[1-4]" -> n1 n2 n3 n7 login r01c1 … in that order; zeros in front are kept. The
 * caller frees with hostlist_free. */
int hostlist_read(const char *text, char ***hosts, size_t *n, struct ganger_error *err);
void hostlist_free(char **hosts, size_t n);

/* "2(x3),4" -> 2 2 2 4. The caller frees the array. */
int hostlist_read_counts(const char *text, uint32_t **counts, size_t *n, struct ganger_error *err);

/* The way back: 2 2 2 4 -> "2(x3),4". The caller frees it. */
char *hostlist_write_counts(const uint32_t *counts, size_t n);

#endif
