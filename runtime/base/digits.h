/* digits: whole numbers as text, several digits at a time. For the journal, which has four numbers and a digest for
 * each function that runs: printf takes longer than the function. */
#ifndef GANGER_BASE_DIGITS_H
#define GANGER_BASE_DIGITS_H

#include <stdint.h>

/* Each writes to `p`, which has room, and returns the end; no NUL. */

char *digits_put(char *p, uint64_t v);                          /* decimal, as few digits as it has */
char *digits_put_padded(char *p, uint64_t v, unsigned n_digits); /* the last n digits, with zeros before them */
char *digits_put_hex(char *p, uint64_t v, unsigned n_digits);    /* likewise, in lower case; n is even */

#endif
