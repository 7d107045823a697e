/* make_flow: writes the workflows that the figures are measured with, to standard output.
 *
 *   make_flow SHAPE [-n COUNT] [-w WIDTH] [--as ganger|make|ninja] [--seed N] -- COMMAND [ARGUMENT...]
 *
 * Shapes: independent (COUNT tasks), chain (COUNT tasks, one after the other), layers (COUNT layers of
 * WIDTH tasks; each task of a layer waits for two or three different ones of the layer before, drawn
 * from a fixed seed). Every task runs COMMAND.
 *
 * --as ganger (default) writes JSON Lines: a header object, then one task per line. The other forms are
 * for measuring those programs on the same graph. */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARENTS_MAX 3

struct plan
{
    const char *shape;
    long n;
    long width;
    const char *as;
    uint64_t seed;
    char **argv;
};

struct parents
{
    int n;
    long number[PARENTS_MAX];
};

/* A linear congruential generator (Knuth, TAOCP 2, 3.3.4, MMIX): the same graph on every machine. */
static uint32_t draw(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)((*state >> 33) % below);
}

static bool contains(const struct parents *p, long number)
{
    for (int i = 0; i < p->n; i++) {
        if (p->number[i] == number) {
            return true;
        }
    }
    return false;
}

static struct parents draw_parents(struct plan *plan, long layer)
{
    struct parents p = {0};
    int n = 2 + (int)draw(&plan->seed, 2);
    while (p.n < n && p.n < plan->width) {
        long number = (layer - 1) * plan->width + (long)draw(&plan->seed, (uint32_t)plan->width);
        if (!contains(&p, number)) {
            p.number[p.n++] = number;
        }
    }
    return p;
}

static struct parents find_parents(struct plan *plan, long number)
{
    if (strcmp(plan->shape, "chain") == 0 && number > 0) {
        return (struct parents){1, {number - 1}};
    }
    if (strcmp(plan->shape, "layers") == 0 && number >= plan->width) {
        return draw_parents(plan, number / plan->width);
    }
    return (struct parents){0};
}

static void print_json_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            putchar('\\');
        }
        putchar(*text);
    }
    putchar('"');
}

static void print_ganger_task(const struct plan *plan, long number, const struct parents *p)
{
    printf("{\"id\":\"t%ld\",\"command\":[", number);
    for (char **word = plan->argv; *word != NULL; word++) {
        fputs(word == plan->argv ? "" : ",", stdout);
        print_json_text(*word);
    }
    putchar(']');
    for (int i = 0; i < p->n; i++) {
        printf("%s\"t%ld\"", i == 0 ? ",\"after\":[" : ",", p->number[i]);
    }
    puts(p->n > 0 ? "]}" : "}");
}

static void print_words(char **argv)
{
    for (char **word = argv; *word != NULL; word++) {
        printf(" %s", *word);
    }
    putchar('\n');
}

static void print_make_task(const struct plan *plan, long number, const struct parents *p)
{
    printf("t%ld:", number);
    for (int i = 0; i < p->n; i++) {
        printf(" t%ld", p->number[i]);
    }
    fputs("\n\t@", stdout);
    print_words(plan->argv);
}

static void print_ninja_task(const struct plan *plan, long number, const struct parents *p)
{
    (void)plan;
    printf("build t%ld: task", number);
    for (int i = 0; i < p->n; i++) {
        printf("%s t%ld", i == 0 ? " |" : "", p->number[i]);
    }
    putchar('\n');
}

static void print_ganger_header(const struct plan *plan)
{
    printf("{\"name\":\"%s\"}\n", plan->shape);
}

static void print_make_header(const struct plan *plan)
{
    long n = strcmp(plan->shape, "layers") == 0 ? plan->n * plan->width : plan->n;
    fputs(".SUFFIXES:\n.PHONY: all", stdout);
    for (long i = 0; i < n; i++) {
        printf(" t%ld", i);
    }
    fputs("\nall:", stdout);
    for (long i = 0; i < n; i++) {
        printf(" t%ld", i);
    }
    putchar('\n');
}

static void print_ninja_header(const struct plan *plan)
{
    fputs("rule task\n  command =", stdout);
    print_words(plan->argv);
}

static const struct form
{
    const char *name;
    void (*print_header)(const struct plan *plan);
    void (*print_task)(const struct plan *plan, long number, const struct parents *parents);
} forms[] = {
    {"ganger", print_ganger_header, print_ganger_task},
    {"make", print_make_header, print_make_task},
    {"ninja", print_ninja_header, print_ninja_task},
};

static const struct form *find_form(const char *name)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(forms[i].name, name) == 0) {
            return &forms[i];
        }
    }
    return NULL;
}

static bool is_shape(const char *name)
{
    return strcmp(name, "independent") == 0 || strcmp(name, "chain") == 0 || strcmp(name, "layers") == 0;
}

static bool read_options(struct plan *plan, int argc, char **argv)
{
    static const struct option options[] = {
        {"as", required_argument, NULL, 'a'},
        {"seed", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    if (argc < 2 || !is_shape(argv[1])) {
        return false;
    }
    plan->shape = argv[1];
    int option;
    optind = 2;
    while ((option = getopt_long(argc, argv, "+n:w:", options, NULL)) != -1) {
        switch (option) {
        case 'n': plan->n = atol(optarg); break;
        case 'w': plan->width = atol(optarg); break;
        case 'a': plan->as = optarg; break;
        case 's': plan->seed = strtoull(optarg, NULL, 10); break;
        default: return false;
        }
    }
    plan->argv = argv + optind;
    return optind < argc && plan->n > 0 && plan->width > 0;
}

int main(int argc, char **argv)
{
    struct plan plan = {.n = 100, .width = 100, .as = "ganger", .seed = 1};
    const struct form *form = read_options(&plan, argc, argv) ? find_form(plan.as) : NULL;
    if (form == NULL) {
        fputs("usage: make_flow independent|chain|layers [-n COUNT] [-w WIDTH] [--as ganger|make|ninja]\n"
              "                 [--seed N] -- COMMAND [ARGUMENT...]\n",
              stderr);
        return 2;
    }
    long n = strcmp(plan.shape, "layers") == 0 ? plan.n * plan.width : plan.n;
    form->print_header(&plan);
    for (long number = 0; number < n; number++) {
        struct parents parents = find_parents(&plan, number);
        form->print_task(&plan, number, &parents);
    }
    return fflush(stdout) == 0 ? 0 : 3;
}
