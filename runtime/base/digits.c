#include "base/digits.h"

#include <string.h>

#define TEN(d) d "0" d "1" d "2" d "3" d "4" d "5" d "6" d "7" d "8" d "9"
#define SIXTEEN(d) TEN(d) d "a" d "b" d "c" d "d" d "e" d "f"

static const char decimal[] = TEN("0") TEN("1") TEN("2") TEN("3") TEN("4") TEN("5") TEN("6") TEN("7") TEN("8") TEN("9");
static const char hexadecimal[] =
    SIXTEEN("0") SIXTEEN("1") SIXTEEN("2") SIXTEEN("3") SIXTEEN("4") SIXTEEN("5") SIXTEEN("6") SIXTEEN("7")
    SIXTEEN("8") SIXTEEN("9") SIXTEEN("a") SIXTEEN("b") SIXTEEN("c") SIXTEEN("d") SIXTEEN("e") SIXTEEN("f");

static unsigned count(uint64_t v)
{
    unsigned n = 1;

    for (; v >= 10000; v /= 10000)
        n += 4;
    return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

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

char *digits_put(char *p, uint64_t v)
{
    return digits_put_padded(p, v, count(v));
}

char *digits_put_hex(char *p, uint64_t v, unsigned n_digits)
{
    for (unsigned i = n_digits; i >= 2; v >>= 8) {
        i -= 2;
        memcpy(p + i, hexadecimal + 2 * (v & 255), 2);
    }
    return p + n_digits;
}
