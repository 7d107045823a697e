/* wildcard: patterns over task ids. `*` stands for any characters or none, `?` for one character. */
#ifndef GANGER_CORE_WILDCARD_H
#define GANGER_CORE_WILDCARD_H

#include <stdbool.h>
#include <stddef.h>

/* Is there a wildcard in the text at all? */
bool wildcard_is_in(const char *text);

/* Does the whole text match? Both are UTF-8. O(pattern x text) at worst, without recursion. */
bool wildcard_matches(const char *pattern, const char *text);

/* How many bytes at its start, and at its end, a matching text has in common with the pattern. */
size_t wildcard_prefix(const char *pattern);
size_t wildcard_suffix(const char *pattern);

#endif
