/* fit: the decay that fits some points best, found in rounds: what a round tries depends on what the one before found.
 *
 * Nobody knows in advance how many rounds there will be. So the workflow has one task, which adds the first round: 25
 * tasks that try a pair of parameters each, and one that waits for all of them. That one takes the best pair, and adds
 * the next round around it, in a finer grid; or it is content, and adds nothing.
 *
 *     fit run [OPTION]... [-- TOLERANCE]      stops when the grid is finer than that; 1e-6 by default */
#include <ganger.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define POINTS 400 /* that are to be fitted */
#define SIDE 5     /* of the grid */
#define TRIALS (SIDE * SIDE)

/* height * exp(-rate * t) */
struct decay
{
    double height;
    double rate;
};

struct trial
{
    struct decay at;
    double misfit; /* mean square */
};

/* No padding: what is between members could differ from run to run, and a payload counts with all its bytes. */
struct round
{
    struct decay centre;
    struct decay step; /* of the grid */
    double tolerance;
    uint64_t number;
};

static double value(struct decay d, double t)
{
    return d.height * exp(-d.rate * t);
}

/* What was measured: a decay, and noise that is the same each time. */
static double measured(int point, double t)
{
    return value((struct decay){2.5, 1.3}, t) + 0.02 * sin(12.9898 * point * point);
}

/* ---- the functions */

static int try_one(struct ganger_call *call)
{
    size_t n;
    const struct decay *at = ganger_call_payload(call, &n);
    struct trial trial = {.at = *at};

    for (int i = 0; i < POINTS; i++) {
        double t = 3.0 * i / POINTS, difference = value(*at, t) - measured(i, t);

        trial.misfit += difference * difference / POINTS;
    }
    return ganger_call_return(call, &trial, sizeof(trial));
}

static ganger_task_number add_trial(struct ganger_call *call, const struct round *r, int i)
{
    int column = i % SIDE - SIDE / 2, row = i / SIDE - SIDE / 2;
    struct decay at = {r->centre.height + column * r->step.height, r->centre.rate + row * r->step.rate};
    char id[32];

    snprintf(id, sizeof(id), "try-%u.%d", (unsigned)r->number, i);
    return ganger_call_add(
        call, &(struct ganger_task){.id = id, .function = "try_one", .payload = &at, .n_payload_bytes = sizeof(at)});
}

/* The ids follow from the round: a run that is cut off and resumed adds the same tasks, and no others. */
static void add_round(struct ganger_call *call, struct round r)
{
    ganger_task_number trials[TRIALS];
    char id[32];

    r.number++;
    for (int i = 0; i < TRIALS; i++)
        trials[i] = add_trial(call, &r, i);
    snprintf(id, sizeof(id), "round-%u", (unsigned)r.number);
    ganger_call_add(call, &(struct ganger_task){.id = id,
                                                .function = "refine",
                                                .payload = &r,
                                                .n_payload_bytes = sizeof(r),
                                                .after = trials,
                                                .n_after = TRIALS});
}

static struct trial best_of(const struct ganger_call *call)
{
    struct trial best = {.misfit = INFINITY};
    size_t n;

    for (size_t i = 0; i < ganger_call_n_dependencies(call); i++) {
        const struct trial *trial = ganger_call_dependency(call, i, &n);

        if (trial->misfit < best.misfit)
            best = *trial;
    }
    return best;
}

/* The best of a round; the first one has no trials yet. */
static int refine(struct ganger_call *call)
{
    size_t n;
    struct round r = *(const struct round *)ganger_call_payload(call, &n);
    struct trial best;

    if (ganger_call_n_dependencies(call) == 0) {
        add_round(call, r);
        return 0;
    }
    best = best_of(call);
    if (r.step.height < r.tolerance && r.step.rate < r.tolerance)
        return ganger_call_printf(call, "height %.4f, rate %.4f: misfit %.6f after %u rounds", best.at.height,
                                  best.at.rate, best.misfit, (unsigned)r.number) < 0;
    r.centre = best.at;
    r.step.height *= 0.6;
    r.step.rate *= 0.6;
    add_round(call, r);
    return 0;
}

static const struct ganger_function functions[] = {{"try_one", try_one, 0}, {"refine", refine, 0}, {0}};

/* ---- the workflow */

static int build(struct ganger_workflow *w, int argc, char **argv, void *data)
{
    struct round first = {{1, 1}, {0.5, 0.5}, argc > 1 ? atof(argv[1]) : 1e-6, 0};

    (void)data;
    if (!(first.tolerance >= 1e-12))
        return ganger_workflow_refuse(w, "the tolerance must be at least 1e-12, not \"%s\"", argc > 1 ? argv[1] : "");
    ganger_workflow_add(w, &(struct ganger_task){.id = "round-0",
                                                 .function = "refine",
                                                 .payload = &first,
                                                 .n_payload_bytes = sizeof(first)});
    return 0;
}

/* The last that was added is the last that ran. */
static int finished(const struct ganger_run *run, void *data)
{
    size_t n;
    const char *text = ganger_run_result(run, ganger_run_n_tasks(run) - 1, &n);

    (void)data;
    if (text != NULL)
        puts(text);
    return 0;
}

int main(int argc, char **argv)
{
    const struct ganger_program program = {.functions = functions, .build = build, .finished = finished};

    return ganger_program_main(argc, argv, &program);
}
