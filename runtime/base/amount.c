#include "base/amount.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct unit
{
    const char *name;
    double factor;
};

/* Digits, maybe a point and digits: strtod also takes signs, "inf", "0x1p4" and the locale's comma. */
static bool read_decimal(const char **text, double *value)
{
    const char *p = *text;
    double v = 0;
    double weight = 1;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        v = 10 * v + (*p - '0');
    if (*p == '.' && p[1] >= '0' && p[1] <= '9') {
        for (p++; *p >= '0' && *p <= '9'; p++) {
            v = 10 * v + (*p - '0');
            weight *= 10;
        }
    }
    *text = p;
    *value = v / weight;
    return true;
}

static const struct unit *read_unit(const char **text, const struct unit *units, size_t n_units)
{
    size_t length = strspn(*text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    for (size_t i = 0; i < n_units; i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, *text, length) == 0) {
            *text += length;
            return &units[i];
        }
    }
    return NULL;
}

bool amount_read_duration(const char *text, double *duration_s)
{
    static const struct unit units[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}, {"ms", 1e-3}};
    const struct unit *last = NULL;
    double sum = 0;

    if (*text == '\0')
        return false;
    while (*text != '\0') {
        double value;
        const struct unit *unit;

        if (!read_decimal(&text, &value))
            return false;
        unit = read_unit(&text, units, sizeof(units) / sizeof(units[0]));
        if (unit == NULL || (last != NULL && unit <= last))
            return false;
        sum += value * unit->factor;
        last = unit;
    }
    *duration_s = sum;
    return isfinite(sum); /* digits without end are no number */
}

bool amount_read_bytes(const char *text, uint64_t *bytes)
{
    static const struct unit units[] = {
        {"B", 1},          {"kB", 1e3},          {"KB", 1e3},           {"MB", 1e6},
        {"GB", 1e9},       {"TB", 1e12},         {"KiB", 0x1p10},       {"MiB", 0x1p20},
        {"GiB", 0x1p30},   {"TiB", 0x1p40},
    };
    const struct unit *unit;
    double value;

    if (!read_decimal(&text, &value))
        return false;
    while (*text == ' ')
        text++;
    unit = read_unit(&text, units, sizeof(units) / sizeof(units[0]));
    if (unit == NULL || *text != '\0')
        return false;
    value *= unit->factor;
    if (!(value >= 1 && value < 0x1p63))
        return false;
    *bytes = (uint64_t)value;
    return true;
}

void amount_describe_bytes(uint64_t bytes, char text[AMOUNT_BYTES])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024;
    size_t i = 0;

    while (value >= 1024 && i < sizeof(units) / sizeof(*units) - 1) {
        value /= 1024;
        i++;
    }
    if (bytes < 1024)
        snprintf(text, AMOUNT_BYTES, "%u B", (unsigned)bytes);
    else
        snprintf(text, AMOUNT_BYTES, "%.1f %s", value, units[i]);
}
