#include "base/digits.h"

#include <string.h>

#define TEN(d) d "0" d "1" d "2" d "3" d "4" d "5" d "6" d "7" d "8" d "9"
#define SIXTEEN(d) TEN(d) d "a" d "b" d "c" d "d" d "e" d "f"

static const char decimal[] = TEN("0") TEN("1") TEN("2") TEN("3") TEN("4") TEN("5") TEN("6") TEN("7") TEN("8") TEN("9");
static const char hexadecimal[] =
    SIXTEEN("0") SIXTEEN("1") SIXTEEN("2") SIXTEEN("3") SIXTEEN("4") SIXTEEN("5") SIXTEEN("6") SIXTEEN("7")
    SIXTEEN("8") SIXTEEN("9") SIXTEEN("a") SIXTEEN("b") SIXTEEN("c") SIXTEEN("d") SIXTEEN("e") SIXTEEN("f");

char *digits_put_padded(char *p, uint64_t v, unsigned n_digits)
{
    unsigned i = n_digits;

    for (; i >= 2; v /= 100) {
        i -= 2;
        memcpy(p + i, decimal + 2 * (v % 100), 2);
    }
    if (i == 1)
        *p = (char)('0' + v % 10);
    return p + n_digits;
}

/* From the front, so that no digit is moved or counted; more at a time where there are more. */

static char *put_2(char *p, uint32_t v)
{
    memcpy(p, decimal + 2 * v, 2);
    return p + 2;
}

static char *put_4(char *p, uint32_t v)
{
    return put_2(put_2(p, v / 100), v % 100);
}

static char *put_8(char *p, uint32_t v)
{
    return put_4(put_4(p, v / 10000), v % 10000);
}

static char *put_up_to_2(char *p, uint32_t v)
{
    if (v >= 10)
        return put_2(p, v);
    *p = (char)('0' + v);
    return p + 1;
}

static char *put_up_to_4(char *p, uint32_t v)
{
    return v >= 100 ? put_2(put_up_to_2(p, v / 100), v % 100) : put_up_to_2(p, v);
}

static char *put_up_to_8(char *p, uint32_t v)
{
    return v >= 10000 ? put_4(put_up_to_4(p, v / 10000), v % 10000) : put_up_to_4(p, v);
}

char *digits_put(char *p, uint64_t v)
{
    if (v < 100000000)
        return put_up_to_8(p, (uint32_t)v);
    return put_8(digits_put(p, v / 100000000), (uint32_t)(v % 100000000));
}

char *digits_put_hex(char *p, uint64_t v, unsigned n_digits)
{
    for (unsigned i = n_digits; i >= 2; v >>= 8) {
        i -= 2;
        memcpy(p + i, hexadecimal + 2 * (v & 255), 2);
    }
    return p + n_digits;
}
