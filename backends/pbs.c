/* pbs: jobs of PBS: OpenPBS and PBS Pro; Torque, where its commands do the same. What they print is read in
 * pbs_record.c and pbs_text.c. */
#include "backends/pbs.h"

#include "backends/batch.h"
#include "backends/pbs_offer.h"
#include "backends/pbs_text.h"
#include "base/alloc.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MOST 230 /* bytes of a job's name */

/* ---- is it here? ---- */

/* Commands of these names are of other systems, too: there is a server's name where PBS is. */
static bool is_configured(void)
{
    static const char *const files[] = {"/etc/pbs.conf", "/var/spool/pbs/server_name", "/etc/torque/server_name",
                                        "/var/spool/torque/server_name", "/var/lib/torque/server_name"};
    static const char *const variables[] = {"PBS_CONF_FILE", "PBS_SERVER", "PBS_DEFAULT", "PBS_EXEC", "PBS_JOBID"};

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (access(files[i], R_OK) == 0)
            return true;
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        if (getenv(variables[i]) != NULL)
            return true;
    return false;
}

static bool pbs_available(struct ganger_error *why)
{
    static const char *const needed[] = {"qsub", "qstat", "qdel"};

    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
        if (command_is_there(needed[i]))
            continue;
        error_set(why, ERROR_USAGE, "there is no PBS here: no command \"%s\" on PATH; is a module to be loaded?",
                  needed[i]);
        return false;
    }
    if (is_configured())
        return true;
    error_set(why, ERROR_USAGE, "there is no PBS here: no /etc/pbs.conf or server_name that its commands would read; "
                                "if they know their server all the same, name it in PBS_SERVER");
    return false;
}

/* ---- what can be given ---- */

static int check_directives(const struct group *g, struct ganger_error *err)
{
    for (size_t i = 0; i < g->directives.n; i++) {
        const char *d = g->directives.each[i];

        if (batch_begins(d, "-J") || batch_begins(d, "-t"))
            return error_set(err, ERROR_USAGE,
                             "%s: an array is many runs, and a submission is one; pbs-templates/array.pbs shows "
                             "how to start many", d);
        if (batch_begins(d, "--") || *d != '-')
            return error_set(err, ERROR_USAGE, "%s: a directive is one that qsub knows, like '-m abe'", d);
    }
    return 0;
}

/* What PBS has no word for. */
static int check_words(const struct group *g, const struct resource_set *set, struct ganger_error *err)
{
    if (g->qos != NULL)
        return error_set(err, ERROR_USAGE,
                         "PBS has no qualities of service: a queue stands for one (--partition %s), or what your "
                         "site's scheduler reads, as in --directive='-l qos=%s'", g->qos, g->qos);
    if (g->constraint != NULL && strchr(g->constraint, '=') == NULL)
        return error_set(err, ERROR_USAGE,
                         "--constraint %s: PBS knows what nodes have as resources with values, as in --constraint "
                         "model=haswell", g->constraint);
    if (g->partition != NULL && strchr(g->partition, ',') != NULL)
        return error_set(err, ERROR_USAGE, "--partition %s: PBS takes one queue", g->partition);
    if (isinf(g->runtime_s))
        return error_set(err, ERROR_USAGE, "PBS has no word for a job without a limit of time: give none");
    if (strchr(set->log, ':') != NULL)
        return error_set(err, ERROR_USAGE,
                         "%s: PBS reads what is before a colon as the name of a host, and would not find the run "
                         "directory: give another --run-dir", set->log);
    return check_directives(g, err);
}

/* Queues must be known; the server and the nodes may be hidden from users. */
static int ask_site(struct pbs_site *site, struct ganger_error *err)
{
    static const char *const queues_json[] = {"qstat", "-Q", "-f", "-F", "json", NULL};
    static const char *const queues[] = {"qstat", "-Q", "-f", NULL};
    static const char *const server_json[] = {"qstat", "-B", "-f", "-F", "json", NULL};
    static const char *const server[] = {"qstat", "-B", "-f", NULL};
    static const char *const nodes_json[] = {"pbsnodes", "-a", "-F", "json", NULL};
    static const char *const nodes[] = {"pbsnodes", "-a", NULL};
    struct command_result r;
    int status = pbs_ask_records(queues_json, queues, &site->queues, &r, err);

    if (status == 0 && r.status != 0)
        status = command_blame(queues, batch_limit_s(BATCH_ASK_S), &r, err);
    command_result_release(&r);
    if (status < 0)
        return -1;
    pbs_ask_records(server_json, server, &site->server, &r, NULL);
    command_result_release(&r);
    if (command_is_there("pbsnodes")) {
        pbs_ask_records(nodes_json, nodes, &site->nodes, &r, NULL);
        command_result_release(&r);
    }
    return 0;
}

/* Its server says what no other does. */
static bool is_torque(const struct pbs_records *server)
{
    return server->n > 0 && pbs_record_find(&server->each[0], "node_check_rate") != NULL;
}

static int pbs_check(const struct group *g, struct resource_set *set, struct buffer *notes,
                     struct ganger_error *err)
{
    struct pbs_site site = {.queues = {NULL, 0, 0}};
    int status = check_words(g, set, err);

    if (status == 0)
        status = ask_site(&site, err);
    if (status == 0 && is_torque(&site.server))
        status = error_set(err, ERROR_USAGE,
                           "this is Torque, whose jobs ask in other words (nodes=4:ppn=16) than ganger writes for PBS: "
                           "put `ganger run FLOW` into a job script of your own, and submit that with qsub");
    if (status == 0)
        status = pbs_judge(&site, g, set, notes, err);
    if (status == 0 && set->n_workers == 0)
        buffer_printf(notes, "pbsnodes does not tell how many cores whole nodes have: the job gets as many as its "
                             "template says; --cores-per-node asks for more\n");
    pbs_site_release(&site);
    return status;
}

/* ---- the script's directives ---- */

static void add_option(struct text_list *list, const char *start, const char *value)
{
    char *text;

    if (value == NULL)
        return;
    text = xasprintf("%s%s", start, value);
    text_list_add(list, text);
    free(text);
}

/* Letters, digits and few signs, the first a letter: what every version takes. */
static char *name_of_job(const char *name)
{
    char *text = xasprintf("%s%s", isalpha((unsigned char)*name) ? "" : "g", name);

    for (char *p = text; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("._-", *p) == NULL)
            *p = '_';
    if (strlen(text) > NAME_MOST)
        text[NAME_MOST] = '\0';
    return text;
}

/* What the group says of its nodes, as one chunk for each: what it leaves open the template says. */
static void add_chunks(struct text_list *list, const struct group *g, const struct resource_set *set)
{
    uint32_t n_nodes = g->n_nodes > 0 ? g->n_nodes : 1;
    uint32_t n_cores = g->n_cores > 0 ? g->n_cores : set->n_workers / n_nodes;
    struct buffer text = BUFFER_EMPTY;

    if (g->n_nodes > 0)
        buffer_printf(&text, "%u", g->n_nodes);
    if (n_cores > 0)
        buffer_printf(&text, ":ncpus=%u:mpiprocs=%u", n_cores, n_cores);
    if (g->memory_bytes > 0)
        buffer_printf(&text, ":mem=%llumb", (unsigned long long)(g->memory_bytes + ((1 << 20) - 1)) >> 20);
    if (g->n_gpus > 0)
        buffer_printf(&text, ":ngpus=%u", g->n_gpus);
    if (g->constraint != NULL)
        buffer_printf(&text, ":%s", g->constraint);
    buffer_put_u8(&text, 0);
    add_option(list, "-l select=", text.n > 1 ? text.bytes : NULL);
    buffer_release(&text);
}

static void pbs_directives(const struct group *g, const struct resource_set *set, struct text_list *list)
{
    char *name = name_of_job(g->name), *log = batch_log_path(set), time[32];

    add_option(list, "-N ", name);
    add_chunks(list, g, set);
    pbs_write_time(g->runtime_s, time);
    add_option(list, "-l walltime=", g->runtime_s > 0 && isfinite(g->runtime_s) ? time : NULL);
    add_option(list, "-q ", g->partition);
    add_option(list, "-A ", g->account);
    add_option(list, "-o ", log);
    text_list_add(list, "-j oe");
    for (size_t i = 0; i < g->directives.n; i++)
        dialect_pbs.split(g->directives.each[i], list);
    free(name);
    free(log);
}

/* ---- one job, and all of them ---- */

static int pbs_list(struct job **jobs, size_t *n, struct ganger_error *err)
{
    if (pbs_batch.queue(jobs, n, err) < 0)
        return -1;
    batch_keep_runs(*jobs, n);
    return 0;
}

static int pbs_status(const struct resource_set *set, struct job *job, struct ganger_error *err)
{
    return batch_status(&pbs_batch, set, job, err);
}

static int pbs_release(struct resource_set *set, double limit_s, struct ganger_error *err)
{
    return batch_release(&pbs_batch, set, limit_s, err);
}

static int pbs_cancel(const struct resource_set *set, struct ganger_error *err)
{
    return pbs_batch.cancel(set->job, err);
}

/* Most sites let operators alone do that: then the error says so. */
static int pbs_requeue(const char *job, struct ganger_error *err)
{
    const char *const argv[] = {"qrerun", job, NULL};
    struct command_result r;
    int status = pbs_ask(argv, &r, err);

    if (status == 0 && r.status != 0)
        status = command_blame(argv, batch_limit_s(BATCH_ASK_S), &r, err);
    command_result_release(&r);
    return status;
}

/* Some servers take jobs from the hosts alone that they list; Torque's, unless told otherwise, from its own
 * host. */
static bool pbs_may_chain(const struct group *g, struct ganger_error *why)
{
    static const char *const for_json[] = {"qstat", "-B", "-f", "-F", "json", NULL};
    static const char *const plain[] = {"qstat", "-B", "-f", NULL};
    struct pbs_records server = {NULL, 0, 0};
    struct command_result r;
    bool may = true;

    (void)g;
    if (pbs_ask_records(for_json, plain, &server, &r, NULL) == 0 && server.n > 0) {
        const struct pbs_record *s = &server.each[0];
        const char *is_listed = pbs_record_find(s, "acl_host_enable"), *nodes = pbs_record_find(s, "allow_node_submit");

        may = (is_listed == NULL || *is_listed != 'T') && (!is_torque(&server) || (nodes != NULL && *nodes == 'T'));
    }
    if (!may)
        error_set(why, ERROR_USAGE,
                  "the server takes jobs from some hosts alone (acl_hosts, submit_hosts in `qstat -B -f`)");
    pbs_records_release(&server);
    command_result_release(&r);
    return may;
}

/* ---- asking for it ---- */

/* "-l walltime=01:00:00" as the two words that it is on a command line. */
static void add_words(struct text_list *words, const char *option)
{
    char letter[] = {option[0], option[0] != '\0' ? option[1] : '\0', '\0'};

    text_list_add(words, letter);
    if (strlen(option) > 3)
        text_list_add(words, option + 3);
}

/* On the command line an option counts alone: ours is completed by what the script says about the same. Takes
 * it. */
static void add_joined(struct text_list *words, const struct text_list *script, char *ours)
{
    char *whole = NULL;

    for (size_t i = 0; i < script->n && whole == NULL; i++)
        if (dialect_pbs.is_same(script->each[i], ours))
            whole = dialect_pbs.join(script->each[i], ours);
    add_words(words, whole != NULL ? whole : ours);
    free(whole);
    free(ours);
}

static void add_terms(struct text_list *words, const struct text_list *script, const struct job_terms *terms)
{
    char time[32];

    if (terms->after != NULL)
        add_joined(words, script, xasprintf("-W depend=afterany:%s", terms->after));
    if (terms->name != NULL) {
        char *name = name_of_job(terms->name);

        add_joined(words, script, xasprintf("-N %s", name));
        free(name);
    }
    if (terms->n_nodes > 0)
        add_joined(words, script, xasprintf("-l select=%u", terms->n_nodes));
    if (terms->runtime_s > 0 && isfinite(terms->runtime_s)) {
        pbs_write_time(terms->runtime_s, time);
        add_joined(words, script, xasprintf("-l walltime=%s", time));
    }
}

static void add_own(struct text_list *words, const struct text_list *script, const struct resource_set *set)
{
    char *comment = pbs_encode(set->comment), *log = batch_log_path(set);

    for (size_t i = 0; i < script->n; i++)
        if (strcmp(script->each[i], "-V") == 0) {
            text_list_add(words, "-V");
            break;
        }
    add_joined(words, script, xasprintf("-v " PBS_COMMENT_VARIABLE "=%s", comment));
    add_joined(words, script, xasprintf("-o %s", log));
    add_joined(words, script, xstrdup("-j oe"));
    free(comment);
    free(log);
}

static int pbs_request(struct resource_set *set, const struct job_terms *terms, struct ganger_error *err)
{
    struct text_list words = {NULL, 0, 0}, script = {NULL, 0, 0};
    char **clean = batch_environment(pbs_is_unwanted), *text = pbs_read_file(set->script);
    const char **argv;
    int status;

    dialect_read_script(&dialect_pbs, text != NULL ? text : "", &script);
    text_list_add(&words, "qsub");
    add_own(&words, &script, set);
    if (terms != NULL)
        add_terms(&words, &script, terms);
    text_list_add(&words, set->script);
    argv = xcalloc(words.n + 1, sizeof(*argv));
    memcpy(argv, words.each, words.n * sizeof(*argv));
    status = batch_submit(&pbs_batch, argv, clean, set, err);
    text_list_release(&words);
    text_list_release(&script);
    free(argv);
    free(clean);
    free(text);
    return status;
}

const struct backend backend_pbs = {
    .name = "pbs",
    .what = "a job of PBS",
    .title = "PBS",
    .shell = "qsub -I",
    .dialect = &dialect_pbs,
    .templates = "pbs-templates",
    .script = "job.pbs",
    .job_in_log = "job-%t.out",
    .available = pbs_available,
    .describe = pbs_describe,
    .learn = pbs_learn,
    .launch_variables = pbs_launch_variables,
    .check = pbs_check,
    .directives = pbs_directives,
    .request = pbs_request,
    .status = pbs_status,
    .release = pbs_release,
    .errors = batch_errors,
    .find_job = pbs_find_job,
    .find_end = pbs_find_end,
    .may_chain = pbs_may_chain,
    .requeue = pbs_requeue,
    .cancel = pbs_cancel,
    .list = pbs_list,
};
