/* utf8: is this text, and can it be shown? */
#ifndef GANGER_BASE_UTF8_H
#define GANGER_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length (1 to 4) of the character that begins at `bytes`, and the character. 0 when no valid
 * one begins there: overlong forms, surrogates and what is above U+10FFFF are not valid. */
size_t utf8_character(const char *bytes, size_t n_bytes, uint32_t *character);

/* A copy of `text`, which may be a file's name and so hold any bytes: each that is no UTF-8 becomes
 * U+FFFD. The caller frees it. */
char *utf8_repaired(const char *text);

/* The byte, from 1, at which a control character stands, up to U+001F or from U+007F to U+009F; 0: there is none. */
size_t utf8_find_control(const char *text, size_t n_bytes);

/* Puts a ? in place of each byte of a control character: what somebody else wrote must not steer the terminal that
 * shows it. */
void utf8_make_printable(char *text);

#endif
