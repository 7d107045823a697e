#include "io/binding_parts.h"

#include "base/alloc.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_LIMIT_BYTES ((unsigned long long)1 << 60)

/* The first `n` numbers of a file; fewer, where it has words in their place. */
static int read_numbers(const char *folder, const char *file, long long *numbers, int n)
{
    char *name = xasprintf("%s/%s", folder, file);
    FILE *f = fopen(name, "re");
    int n_read = 0;

    free(name);
    while (f != NULL && n_read < n && fscanf(f, "%lld", &numbers[n_read]) == 1)
        n_read++;
    if (f != NULL)
        fclose(f);
    return n_read;
}

/* Version 1 writes a huge number where there is no limit, version 2 a word. */
static void note_memory(struct binding_limits *limits, const char *folder, const char *file)
{
    long long bytes;

    if (read_numbers(folder, file, &bytes, 1) == 1 && bytes > 0 && (unsigned long long)bytes < NO_LIMIT_BYTES &&
        (limits->memory_bytes == 0 || (uint64_t)bytes < limits->memory_bytes))
        limits->memory_bytes = (uint64_t)bytes;
}

/* So many microseconds of processor time in each period. */
static void note_cpus(struct binding_limits *limits, long long quota_us, long long period_us)
{
    double cpus = period_us > 0 ? (double)quota_us / (double)period_us : 0;

    if (quota_us > 0 && cpus > 0 && (limits->cpus == 0 || cpus < limits->cpus))
        limits->cpus = cpus;
}

static void note_folder_2(struct binding_limits *limits, const char *folder)
{
    long long cpu_max[2];

    note_memory(limits, folder, "memory.max");
    if (read_numbers(folder, "cpu.max", cpu_max, 2) == 2)
        note_cpus(limits, cpu_max[0], cpu_max[1]);
}

static void note_folder_memory_1(struct binding_limits *limits, const char *folder)
{
    note_memory(limits, folder, "memory.limit_in_bytes");
}

static void note_folder_cpu_1(struct binding_limits *limits, const char *folder)
{
    long long quota_us, period_us;

    if (read_numbers(folder, "cpu.cfs_quota_us", &quota_us, 1) == 1 &&
        read_numbers(folder, "cpu.cfs_period_us", &period_us, 1) == 1)
        note_cpus(limits, quota_us, period_us);
}

typedef void note_folder(struct binding_limits *limits, const char *folder);

/* From the cgroup `path` (which is cut off on the way) up to `root`: each limits what is below it. */
static void note_way_up(struct binding_limits *limits, const char *root, char *path, note_folder *note)
{
    for (char *end = path + strlen(path); end != NULL; end = strrchr(path, '/')) {
        char *folder;

        *end = '\0';
        folder = xasprintf("%s%s", root, path);
        note(limits, folder);
        free(folder);
    }
}

static bool has_controller(const char *controllers, const char *wanted)
{
    size_t n = strlen(wanted);

    for (const char *p = controllers; (p = strstr(p, wanted)) != NULL; p += n)
        if ((p == controllers || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
            return true;
    return false;
}

/* Where version 1 has a hierarchy of several controllers, it is mounted by the name of each and of all. */
static void note_line(struct binding_limits *limits, const char *root, const char *controllers, char *path)
{
    char *top;

    if (*controllers == '\0') {
        note_way_up(limits, root, path, note_folder_2);
    } else if (has_controller(controllers, "memory")) {
        top = xasprintf("%s/memory", root);
        note_way_up(limits, top, path, note_folder_memory_1);
        free(top);
    } else if (has_controller(controllers, "cpu")) {
        top = xasprintf("%s/cpu", root);
        note_way_up(limits, top, path, note_folder_cpu_1);
        free(top);
    }
}

void binding_read_limits(struct binding_limits *limits, const char *cgroups, const char *root)
{
    char line[PATH_MAX];
    FILE *file = fopen(cgroups, "re");

    *limits = (struct binding_limits){0};
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) { /* NUMBER:CONTROLLERS:PATH */
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

        if (path == NULL)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        note_line(limits, root, controllers + 1, path);
    }
    if (file != NULL)
        fclose(file);
}
