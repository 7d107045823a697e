#include "core/wildcard.h"

#include <string.h>

bool wildcard_is_in(const char *text)
{
    while (*text != '\0' && *text != '*' && *text != '?')
        text++;
    return *text != '\0';
}

static const char *next_character(const char *text)
{
    text++;
    while ((*text & 0xc0) == 0x80)
        text++;
    return text;
}

bool wildcard_matches(const char *pattern, const char *text)
{
    const char *after_star = NULL; /* the last star met ends before it and has taken all up to ... */
    const char *retry_at = NULL;   /* ... here; only the last one ever needs to take more */

    while (*text != '\0') {
        if (*pattern == '*') {
            after_star = ++pattern;
            retry_at = text;
        } else if (*pattern == '?') {
            pattern++;
            text = next_character(text);
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (after_star != NULL) {
            pattern = after_star;
            text = retry_at = next_character(retry_at);
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

size_t wildcard_prefix(const char *pattern)
{
    return strcspn(pattern, "*?");
}

size_t wildcard_suffix(const char *pattern)
{
    size_t n = strlen(pattern);
    size_t at = n;

    while (at > 0 && pattern[at - 1] != '*' && pattern[at - 1] != '?')
        at--;
    return n - at;
}
