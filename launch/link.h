/* link: between `ganger run` as it was typed and the manager that mpirun started for it.
 *
 * The launcher listens on a local socket whose name travels in an environment variable. The manager
 * connects and is given what was typed: standard output and error, environment, directory. At the end
 * it says its exit status and epoch: the manager's word, which counts more than mpirun's. Both ends must belong
 * to the same user. A manager on another host goes without. */
#ifndef GANGER_LAUNCH_LINK_H
#define GANGER_LAUNCH_LINK_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LINK_VARIABLE "GANGER_LINK"

/* ---- the launcher's end ---- */

struct link
{
    int listen_fd; /* -1: closed */
    int fd;        /* to the manager; -1: not (any more) there */
    pid_t manager; /* 0: it has not come */
    char name[64]; /* value of LINK_VARIABLE */
};

int link_listen(struct link *l, struct ganger_error *err);

/* When listen_fd is readable: takes the manager in and gives it descriptors, directory, environment. */
int link_accept(struct link *l, struct ganger_error *err);

enum link_word
{
    LINK_GONE,    /* the manager ended without a last word; fd is closed */
    LINK_STARTED, /* all ranks have come together */
    LINK_STARTED_SPREAD, /* the same, and they are on several nodes */
    LINK_DONE,    /* its last: the run is over; fd is closed */
    LINK_DONE_WITH_LOSS, /* the same, and ranks were lost: MPI cannot end in order */
};

/* With LINK_DONE and LINK_DONE_WITH_LOSS. */
struct link_end
{
    int exit_status; /* of the run */
    uint32_t epoch;  /* 0: none began */
};

/* When fd is readable. Sets `*end` as above. */
enum link_word link_hear(struct link *l, struct link_end *end);

void link_close(struct link *l);

/* ---- the manager's end ---- */

struct link_origin
{
    int fd;            /* to the launcher */
    int out_fd;        /* what the user typed it into */
    int err_fd;
    char *cwd;
    struct buffer env; /* "NAME=VALUE", each ended by a NUL */
};

/* Connects to the launcher named in the environment. 0, and fd is -1, when there is none. */
int link_connect(struct link_origin *o, struct ganger_error *err);

void link_say_started(const struct link_origin *o, bool is_spread); /* over several nodes */
void link_say_done(const struct link_origin *o, const struct link_end *end, bool has_lost);

/* Fills env and cwd from this process instead, less what an MPI launcher added to it. */
void link_origin_from_here(struct link_origin *o);

#endif
