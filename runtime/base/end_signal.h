/* end_signal: a signal, and how long before an end it is wanted, in the words of sbatch's --signal: "USR1@60". */
#ifndef GANGER_BASE_END_SIGNAL_H
#define GANGER_BASE_END_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

#define END_SIGNAL_DEFAULT_S 60.0 /* without an @ */
#define END_SIGNAL_MOST_S 65535.0

struct end_signal
{
    int32_t signal;  /* 0: none */
    double before_s; /* more than 0 */
};

/* "USR1", "SIGUSR1@90", "10@90", "TERM@2m": seconds, or a duration with units. False for anything else, and for signals
 * that nobody can act on (KILL, STOP). */
bool end_signal_read(const char *text, struct end_signal *s);

#endif
