/* group: the workers that one allocation gives. What it asks for, and the resource set that a backend made of
 * it. Both can be written as JSON and read back, so that a later command, on another host, can go on with
 * them. */
#ifndef GANGER_BACKENDS_GROUP_H
#define GANGER_BACKENDS_GROUP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Texts that the list owns. */
struct text_list
{
    char **each;
    size_t n;
    size_t capacity;
};

void text_list_add(struct text_list *list, const char *text);
void text_list_release(struct text_list *list);

/* What is asked for. 0 and NULL: not said, so that the batch system's own default holds. Owns its texts. */
struct group
{
    char *name;    /* of the group, and of its job */
    char *backend; /* name of one */
    uint32_t n_nodes;
    uint32_t n_cores;      /* on each node, a worker for each; 0: whole nodes */
    uint64_t memory_bytes; /* on each node */
    uint32_t n_gpus;       /* on each node */
    double runtime_s;      /* limit; 0: not said; INFINITY: none */
    char *partition;
    char *account;
    char *qos;
    char *constraint;
    struct text_list directives; /* further ones, as the batch system reads them: "--mail-type=END" */
};

void group_release(struct group *g);

/* What the batch system was asked, and answered. Owns its texts. */
struct resource_set
{
    char *type;         /* the backend's name */
    char *group;        /* its group's name */
    uint32_t n_workers; /* wanted; 0: as many as the nodes have cores */
    double runtime_s;   /* as in the group */
    char *job;          /* "": not known (yet) */
    char *token;        /* what the job is found by when its id is not known */
    char *comment;      /* said with the job: the token, and the run */
    char *script;       /* absolute paths */
    char *log;
    double requested_s; /* seconds since 1970; 0: not requested */
    bool is_released;
    char *host;         /* where `pid` lives; "" for batch systems */
    pid_t pid;
    int64_t pid_start;  /* of the process, in ticks since boot: pids come back */
};

void resource_set_release(struct resource_set *set);

struct json_t;

/* JSON objects; reading makes new structs and fails with the name of what is missing or wrong. */
struct json_t *group_to_json(const struct group *g);
int group_from_json(struct group *g, const struct json_t *object, struct ganger_error *err);
struct json_t *resource_set_to_json(const struct resource_set *set);
int resource_set_from_json(struct resource_set *set, const struct json_t *object, struct ganger_error *err);

#endif
