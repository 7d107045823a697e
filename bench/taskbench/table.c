/* table: METG(50 %) of each implementation, from what they printed.
 *
 *   taskbench-table <SAMPLES
 *
 * A line of the samples: the round, the seconds that an iteration of the kernel takes at peak, and the line that an
 * implementation prints. In each round an implementation has a curve and thus a METG; the table shows the median of the
 * rounds, the least and the greatest, and as a ratio the median over the rounds of METG / METG of the first row with
 * the same graphs, which has run in the same round, minutes apart. */
#include "base/alloc.h"
#include "taskbench/metg.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARE 0.5

struct row
{
    char name[32];
    char pattern[32];
    char kernel[16];
    int width;
    int graphs;
    int workers;
    int cores;
    size_t bytes;
};

struct sample
{
    struct row row;
    size_t i_row;
    int round;
    struct metg_point point;
};

struct table
{
    struct row *rows;
    size_t n_rows;
    size_t row_room;
    struct sample *samples;
    size_t n_samples;
    size_t sample_room;
    int n_rounds;
};

/* METG of a row in each round in which it was measured. */
struct series
{
    struct metg *metgs; /* by round, from 0 */
    bool *has;
};

static bool is_same_row(const struct row *a, const struct row *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->pattern, b->pattern) == 0 &&
           strcmp(a->kernel, b->kernel) == 0 && a->width == b->width && a->graphs == b->graphs &&
           a->workers == b->workers && a->cores == b->cores && a->bytes == b->bytes;
}

/* The same graphs, as wide for each worker. */
static bool is_comparable(const struct row *a, const struct row *b)
{
    return strcmp(a->pattern, b->pattern) == 0 && strcmp(a->kernel, b->kernel) == 0 && a->graphs == b->graphs &&
           a->bytes == b->bytes && (long)a->width * b->workers == (long)b->width * a->workers;
}

static size_t row_of(struct table *t, const struct row *row)
{
    for (size_t i = 0; i < t->n_rows; i++) {
        if (is_same_row(&t->rows[i], row))
            return i;
    }
    t->rows = xgrow(t->rows, t->n_rows, &t->row_room, sizeof(*t->rows));
    t->rows[t->n_rows] = *row;
    return t->n_rows++;
}

static bool read_sample(const char *line, struct sample *s)
{
    double peak_s;
    double elapsed_s;
    long long iterations;
    size_t n_tasks;
    int n = sscanf(line,
                   "%d %lf %31s pattern %31s width %d steps %*d bytes %zu graphs %d kernel %15s iterations %lld "
                   "workers %d cores %d tasks %zu elapsed %lf",
                   &s->round, &peak_s, s->row.name, s->row.pattern, &s->row.width, &s->row.bytes, &s->row.graphs,
                   s->row.kernel, &iterations, &s->row.workers, &s->row.cores, &n_tasks, &elapsed_s);

    if (n != 13 || s->round < 1 || n_tasks == 0 || elapsed_s <= 0.0)
        return false;
    s->point.useful_s = peak_s * (double)iterations;
    s->point.task_s = elapsed_s * s->row.workers / (double)n_tasks;
    return true;
}

static int read_samples(struct table *t, FILE *from)
{
    char line[512];

    while (fgets(line, sizeof(line), from) != NULL) {
        struct sample s = {.round = 0};

        if (!read_sample(line, &s)) {
            fprintf(stderr, "taskbench-table: no sample: %s", line);
            return -1;
        }
        s.i_row = row_of(t, &s.row);
        if (s.round > t->n_rounds)
            t->n_rounds = s.round;
        t->samples = xgrow(t->samples, t->n_samples, &t->sample_room, sizeof(*t->samples));
        t->samples[t->n_samples++] = s;
    }
    return 0;
}

static int by_falling_useful(const void *a, const void *b)
{
    const struct metg_point *p = a;
    const struct metg_point *q = b;

    return (p->useful_s < q->useful_s) - (p->useful_s > q->useful_s);
}

static struct series find_series(const struct table *t, size_t i_row)
{
    struct series series = {
        .metgs = xcalloc((size_t)t->n_rounds, sizeof(*series.metgs)),
        .has = xcalloc((size_t)t->n_rounds, sizeof(*series.has)),
    };
    struct metg_point *points = xcalloc(t->n_samples, sizeof(*points));

    for (int round = 0; round < t->n_rounds; round++) {
        size_t n = 0;

        for (size_t i = 0; i < t->n_samples; i++) {
            if (t->samples[i].i_row == i_row && t->samples[i].round == round + 1)
                points[n++] = t->samples[i].point;
        }
        qsort(points, n, sizeof(*points), by_falling_useful);
        series.has[round] = n > 0;
        if (n > 0)
            series.metgs[round] = metg_find(points, n, SHARE);
    }
    free(points);
    return series;
}

static void series_release(struct series *s)
{
    free(s->metgs);
    free(s->has);
}

static int by_size(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

/* Sorts them. */
static double median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), by_size);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void print_ratio(const struct table *t, const struct series *own, const struct series *reference)
{
    double *ratios = xcalloc((size_t)t->n_rounds, sizeof(*ratios));
    size_t n = 0;

    for (int round = 0; round < t->n_rounds; round++) {
        if (own->has[round] && reference->has[round])
            ratios[n++] = own->metgs[round].task_s / reference->metgs[round].task_s;
    }
    if (n > 0)
        printf(" %9.2f\n", median(ratios, n));
    else
        printf(" %9s\n", "-");
    free(ratios);
}

static void print_row(const struct table *t, size_t i_row, const struct series *reference)
{
    static const char *const signs[] = {[METG_CROSSED] = "", [METG_ALWAYS_ABOVE] = "<", [METG_NEVER_ABOVE] = ">"};
    const struct row *row = &t->rows[i_row];
    struct series series = find_series(t, i_row);
    double *lengths = xcalloc((size_t)t->n_rounds, sizeof(*lengths));
    const char *sign = "";
    size_t n = 0;

    for (int round = 0; round < t->n_rounds; round++) {
        if (!series.has[round])
            continue;
        lengths[n++] = series.metgs[round].task_s * 1e6;
        if (series.metgs[round].kind != METG_CROSSED)
            sign = signs[series.metgs[round].kind];
    }
    char middle[32];

    snprintf(middle, sizeof(middle), "%s%.3f", sign, median(lengths, n));
    printf("%-16s %7d %5d %6d %12s %9.3f..%-9.3f %6zu", row->name, row->workers, row->cores, row->width, middle,
           lengths[0], lengths[n - 1], n);
    print_ratio(t, &series, reference);
    free(lengths);
    series_release(&series);
}

static void print_group(const struct table *t, size_t i_first)
{
    const struct row *first = &t->rows[i_first];
    struct series reference = find_series(t, i_first);

    printf("%s, %d graph%s, %zu bytes, kernel %s, columns per worker: %g; ratios to %s\n", first->pattern,
           first->graphs, first->graphs == 1 ? "" : "s", first->bytes, first->kernel,
           (double)first->width / first->workers, first->name);
    printf("%-16s %7s %5s %6s %12s %20s %6s %9s\n", "implementation", "workers", "cores", "width", "METG(50%) us",
           "least..most", "rounds", "ratio");
    for (size_t i = i_first; i < t->n_rows; i++) {
        if (is_comparable(&t->rows[i], first))
            print_row(t, i, &reference);
    }
    series_release(&reference);
}

static bool is_first_of_group(const struct table *t, size_t i_row)
{
    for (size_t i = 0; i < i_row; i++) {
        if (is_comparable(&t->rows[i], &t->rows[i_row]))
            return false;
    }
    return true;
}

int main(void)
{
    struct table table = {.n_rows = 0};
    int status = read_samples(&table, stdin);

    for (size_t i = 0; status == 0 && i < table.n_rows; i++) {
        if (!is_first_of_group(&table, i))
            continue;
        if (i > 0)
            putchar('\n');
        print_group(&table, i);
    }
    free(table.rows);
    free(table.samples);
    return status == 0 ? 0 : 2;
}
