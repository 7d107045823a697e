/* amount: durations and sizes as people write them. */
#ifndef GANGER_BASE_AMOUNT_H
#define GANGER_BASE_AMOUNT_H

#include <stdbool.h>
#include <stdint.h>

/* "90s", "1h30m", "1.5d", "250ms": numbers with a unit each (d h m s ms), the largest first. False when
 * the text is anything else; a number without unit is. */
bool amount_read_duration(const char *text, double *duration_s);

/* "500MB" (powers of 1000: kB MB GB TB), "2GiB" (powers of 1024: KiB MiB GiB TiB), "100B". False when the
 * text is anything else, less than a byte, or above 2^63 bytes. */
bool amount_read_bytes(const char *text, uint64_t *bytes);

/* "3.1 GiB", "200.0 MiB", "12 B": as people read them. */
#define AMOUNT_BYTES 32
void amount_describe_bytes(uint64_t bytes, char text[AMOUNT_BYTES]);

#endif
