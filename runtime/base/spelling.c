#include "base/spelling.h"

#include <string.h>

#define WORD_MAX 63

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned least_of_two = a < b ? a : b;

    return least_of_two < c ? least_of_two : c;
}

unsigned spelling_distance(const char *a, const char *b, unsigned limit)
{
    unsigned rows[3][WORD_MAX + 1]; /* the last three rows of the table, in turn */
    size_t n_a = strnlen(a, WORD_MAX + 1);
    size_t n_b = strnlen(b, WORD_MAX + 1);

    if (n_a > WORD_MAX || n_b > WORD_MAX || n_a > n_b + limit || n_b > n_a + limit)
        return limit + 1;
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n_a; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        unsigned best = row[0] = (unsigned)i;

        for (size_t j = 1; j <= n_b; j++) {
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[(i + 1) % 3][j - 2] + 1 < row[j])
                row[j] = rows[(i + 1) % 3][j - 2] + 1;
            if (row[j] < best)
                best = row[j];
        }
        if (best > limit)
            return limit + 1;
    }
    return rows[n_a % 3][n_b] <= limit ? rows[n_a % 3][n_b] : limit + 1;
}

const char *spelling_nearest(const char *word, const char *const *known, size_t n_known)
{
    unsigned limit = strlen(word) > 4 ? 2 : 1;
    const char *nearest = NULL;

    for (size_t i = 0; i < n_known; i++) {
        unsigned distance = spelling_distance(word, known[i], limit);

        if (distance <= limit) {
            nearest = known[i];
            if (distance == 0)
                break;
            limit = distance - 1;
        }
    }
    return nearest;
}
