#include "base/utf8.h"

#include "base/alloc.h"

#include <stdbool.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

size_t utf8_character(const char *bytes, size_t n_bytes, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)bytes;
    uint32_t c;
    size_t n;

    if (n_bytes == 0)
        return 0;
    n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 && p[0] < 0xf8 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
    if (n == 0 || n > n_bytes || p[0] >= 0xf8)
        return 0;
    c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *character = c;
    return n;
}

char *utf8_repaired(const char *text)
{
    size_t n = strlen(text);
    char *copy = xmalloc(n * strlen(REPLACEMENT) + 1), *end = copy;
    uint32_t character;

    for (size_t i = 0; i < n;) {
        size_t length = utf8_character(text + i, n - i, &character);
        size_t n_copied = length > 0 ? length : strlen(REPLACEMENT);

        memcpy(end, length > 0 ? text + i : REPLACEMENT, n_copied);
        end += n_copied;
        i += length > 0 ? length : 1;
    }
    *end = '\0';
    return copy;
}

/* Are the eight bytes that stand here plain letters of ASCII, 0x20 to 0x7e each? */
static bool are_plain(const char *text)
{
    const uint64_t each = 0x0101010101010101;
    uint64_t bytes;

    memcpy(&bytes, text, sizeof(bytes));
    return ((bytes | (bytes - 0x20 * each) | (bytes + each)) & 0x80 * each) == 0;
}

size_t utf8_find_control(const char *text, size_t n_bytes)
{
    size_t i = 0;

    while (n_bytes - i >= sizeof(uint64_t) && are_plain(text + i))
        i += sizeof(uint64_t);
    for (; i < n_bytes; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < n_bytes && ((unsigned char)text[i + 1] & 0xe0) == 0x80))
            return i + 1;
    }
    return 0;
}

void utf8_make_printable(char *text)
{
    size_t place;

    for (; (place = utf8_find_control(text, strlen(text))) > 0; text += place) {
        char *control = text + place - 1;

        if ((unsigned char)*control == 0xc2) /* U+0080 to U+009F: two bytes */
            control[1] = '?';
        *control = '?';
    }
}
