#include "backends/slurm_text.h"

#include "base/alloc.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- times ---- */

#define MINUTE_S 60.0
#define HOUR_S 3600.0
#define DAY_S 86400.0

/* Whole numbers with colons between them: how many, at most three; 0 when it is anything else. */
static int read_parts(const char *text, double parts[3])
{
    int n = 0;

    for (const char *p = text;; p++) {
        const char *start = p;

        if (n == 3)
            return 0;
        parts[n] = 0;
        while (isdigit((unsigned char)*p))
            parts[n] = parts[n] * 10 + (*p++ - '0');
        if (p == start || p - start > 9)
            return 0;
        n++;
        if (*p == '\0')
            return n;
        if (*p != ':')
            return 0;
    }
}

bool slurm_read_time(const char *text, double *seconds)
{
    const char *dash = strchr(text, '-');
    double parts[3] = {0}, days[3] = {0};
    int n;

    if (strcasecmp(text, "infinite") == 0 || strcasecmp(text, "UNLIMITED") == 0) {
        *seconds = INFINITY;
        return true;
    }
    if (dash != NULL) {
        char *before = xstrndup(text, (size_t)(dash - text));
        bool is_number = read_parts(before, days) == 1;

        free(before);
        if (!is_number || read_parts(dash + 1, parts) == 0)
            return false;
        *seconds = days[0] * DAY_S + parts[0] * HOUR_S + parts[1] * MINUTE_S + parts[2];
        return true;
    }
    n = read_parts(text, parts);
    switch (n) {
    case 1: *seconds = parts[0] * MINUTE_S; return true;
    case 2: *seconds = parts[0] * MINUTE_S + parts[1]; return true;
    case 3: *seconds = parts[0] * HOUR_S + parts[1] * MINUTE_S + parts[2]; return true;
    default: return false;
    }
}

void slurm_write_time(double seconds, char text[32])
{
    unsigned long long s;

    if (!(seconds < 1e12)) {
        snprintf(text, 32, "UNLIMITED");
        return;
    }
    s = (unsigned long long)ceil(seconds);
    snprintf(text, 32, "%llu-%02llu:%02llu:%02llu", s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
}

bool slurm_read_date(const char *text, double *wall_s)
{
    struct tm parts = {.tm_isdst = -1};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    time_t seconds;

    if (end == NULL || *end != '\0')
        return false;
    seconds = mktime(&parts);
    *wall_s = (double)seconds;
    return seconds != (time_t)-1;
}

/* ---- job ids ---- */

static size_t length_of_job_id(const char *text)
{
    size_t n = strspn(text, "0123456789"), n_element;

    if (n == 0 || text[n] != '_')
        return n;
    n_element = strspn(text + n + 1, "0123456789");
    return n_element > 0 ? n + 1 + n_element : n;
}

bool slurm_is_job_id(const char *text)
{
    return *text != '\0' && text[length_of_job_id(text)] == '\0';
}

/* The id that a line of n bytes is about: "12", "12;cluster", "Submitted batch job 12 on cluster c". Sets where
 * it begins; returns its length, 0 for a line of another kind. */
static size_t find_id(const char *line, size_t n, const char **id)
{
    static const char words[] = "Submitted batch job ";
    bool has_words = n > sizeof(words) - 1 && strncmp(line, words, sizeof(words) - 1) == 0;
    size_t n_id;

    *id = line + (has_words ? sizeof(words) - 1 : 0);
    n_id = length_of_job_id(*id);
    if (*id + n_id == line + n)
        return n_id;
    return (has_words ? (*id)[n_id] == ' ' : (*id)[n_id] == ';') ? n_id : 0;
}

char *slurm_read_submitted(const char *out)
{
    char *found = NULL;

    for (const char *line = out; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        const char *id;
        size_t n_id = find_id(line, n > 0 && line[n - 1] == '\r' ? n - 1 : n, &id);

        if (n_id > 0) { /* the last one: banners come first */
            free(found);
            found = xstrndup(id, n_id);
        }
        line += n + (line[n] == '\n');
    }
    return found;
}

/* ---- states ---- */

enum job_state slurm_job_state(const char *word)
{
    static const struct
    {
        const char *name, *letters;
        enum job_state state;
    } states[] = {
        {"PENDING", "PD", JOB_WAITING},      {"CONFIGURING", "CF", JOB_WAITING}, {"REQUEUED", "RQ", JOB_WAITING},
        {"REQUEUE_HOLD", "RH", JOB_WAITING}, {"REQUEUE_FED", "RF", JOB_WAITING}, {"SPECIAL_EXIT", "SE", JOB_WAITING},
        {"RESV_DEL_HOLD", "RD", JOB_WAITING}, {"RUNNING", "R", JOB_RUNNING},     {"SUSPENDED", "S", JOB_RUNNING},
        {"STOPPED", "ST", JOB_RUNNING},      {"RESIZING", "RS", JOB_RUNNING},    {"SIGNALING", "SI", JOB_RUNNING},
        {"COMPLETING", "CG", JOB_ENDING},    {"STAGE_OUT", "SO", JOB_ENDING},
    };
    size_t n = strcspn(word, " +"); /* "CANCELLED by 0", "CANCELLED+" */

    if (n == 0)
        return JOB_UNKNOWN;
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
        if ((strlen(states[i].name) == n && strncmp(word, states[i].name, n) == 0) ||
            (strlen(states[i].letters) == n && strncmp(word, states[i].letters, n) == 0))
            return states[i].state;
    return JOB_ENDED; /* COMPLETED, FAILED, TIMEOUT, and what later versions may say */
}

/* ---- lines of fields ---- */

struct jobs
{
    struct job *each;
    size_t n;
    size_t capacity;
};

static struct job *add_job(struct jobs *jobs)
{
    jobs->each = xgrow(jobs->each, jobs->n, &jobs->capacity, sizeof(*jobs->each));
    job_init(&jobs->each[jobs->n]);
    return &jobs->each[jobs->n++];
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = xstrdup(value);
}

/* "(null)", "N/A" and "None" say that there is nothing. */
static void set_word(char **text, const char *value)
{
    bool is_nothing = strcmp(value, "(null)") == 0 || strcmp(value, "N/A") == 0 || strcmp(value, "None") == 0;

    set_text(text, is_nothing ? "" : value);
}

/* Cuts a line at '|' into n fields, the last of which takes the rest. False when it has fewer. */
static bool split(char *line, char **fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fields[i] = line;
        if (i + 1 == n)
            return true;
        line = strchr(line, '|');
        if (line == NULL)
            return false;
        *line++ = '\0';
    }
    return true;
}

/* Calls `take` with each line, ended by a NUL. */
static void each_line(const char *text, void (*take)(void *data, char *line), void *data)
{
    char *copy = xstrdup(text);

    for (char *line = copy; line != NULL;) { /* empty ones, too: a banner may have some */
        char *end = strchr(line, '\n');

        if (end != NULL)
            *end = '\0';
        take(data, line);
        line = end != NULL ? end + 1 : NULL;
    }
    free(copy);
}

/* An id as a listing shows it: "12", "12_3", "12_[4-9%2]" (elements that wait). A heterogeneous job has a line for each
 * component, "12+0", "12+1": the first is the job, whose id loses that end here. */
static bool take_listed_id(char *text)
{
    size_t n = length_of_job_id(text);

    if (n > 0 && strcmp(text + n, "+0") == 0)
        text[n] = '\0';
    return n > 0 && (text[n] == '\0' || strncmp(text + n, "_[", 2) == 0);
}

static void take_queue_line(void *data, char *line)
{
    char *f[11];
    struct job *job;

    if (!split(line, f, 11) || !take_listed_id(f[0]))
        return; /* a header, or a banner */
    job = add_job(data);
    set_text(&job->id, f[0]);
    set_text(&job->word, f[1]);
    job->state = slurm_job_state(f[1]);
    set_text(&job->partition, f[2]);
    job->n_nodes = (uint32_t)strtoul(f[3], NULL, 10);
    slurm_read_time(f[4], &job->run_s);
    slurm_read_time(f[5], &job->limit_s);
    slurm_read_date(f[6], &job->start_s);
    slurm_read_date(f[7], &job->end_s);
    set_word(&job->reason, f[8]);
    set_word(&job->hosts, f[9]);
    set_word(&job->comment, f[10]);
}

void slurm_read_queue(const char *text, struct job **jobs, size_t *n)
{
    struct jobs found = {NULL, 0, 0};

    each_line(text, take_queue_line, &found);
    *jobs = found.each;
    *n = found.n;
}

/* "1:0": exit status and signal. */
static void read_exit_code(const char *text, struct job *job)
{
    int status, signal;

    if (sscanf(text, "%d:%d", &status, &signal) == 2 && status >= 0 && signal >= 0) {
        job->exit_status = status;
        job->exit_signal = signal;
    }
}

static void take_accounted_line(void *data, char *line)
{
    char *f[10];
    struct job *job;

    if (!split(line, f, 10) || !take_listed_id(f[0]))
        return;
    job = add_job(data);
    set_text(&job->id, f[0]);
    set_text(&job->word, f[1]);
    job->state = slurm_job_state(f[1]);
    read_exit_code(f[2], job);
    set_text(&job->partition, f[3]);
    job->n_nodes = (uint32_t)strtoul(f[4], NULL, 10);
    slurm_read_time(f[5], &job->run_s);
    slurm_read_date(f[6], &job->start_s);
    slurm_read_date(f[7], &job->end_s);
    set_word(&job->hosts, strcmp(f[8], "None assigned") == 0 ? "" : f[8]);
    set_word(&job->comment, f[9]);
}

void slurm_read_accounted(const char *text, struct job **jobs, size_t *n)
{
    struct jobs found = {NULL, 0, 0};

    each_line(text, take_accounted_line, &found);
    *jobs = found.each;
    *n = found.n;
}

/* The value of " NAME=value " in a line of them; the caller frees it. NULL when it is not there. A comment
 * may have blanks: it goes on to the next NAME=. */
static char *field_of(const char *line, const char *name)
{
    size_t n_name = strlen(name);

    for (const char *p = line; p != NULL; p = strchr(p, ' ')) {
        const char *value, *end;

        p += *p == ' ';
        if (strncmp(p, name, n_name) != 0 || p[n_name] != '=')
            continue;
        value = p + n_name + 1;
        for (end = value + strcspn(value, " "); *end == ' '; end += 1 + strcspn(end + 1, " "))
            if (memchr(end + 1, '=', strcspn(end + 1, " ")) != NULL)
                break;
        return xstrndup(value, (size_t)(end - value));
    }
    return NULL;
}

static void take_field(const char *line, const char *name, char **text)
{
    char *value = field_of(line, name);

    if (value != NULL)
        set_word(text, value);
    free(value);
}

/* A job that is driven away gets TERM while it is still running; who cancels one leaves no such trace. */
static bool is_cut_off(const char *line, const struct job *job)
{
    static const char *const words[] = {"TIMEOUT", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL"};
    static const char *const reasons[] = {"TimeLimit", "NodeDown"};
    char *driven_away = field_of(line, "PreemptTime");
    bool is = driven_away != NULL && strcmp(driven_away, "None") != 0 && strcmp(driven_away, "Unknown") != 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        is |= strcmp(job->word, words[i]) == 0;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
        is |= strcmp(job->reason, reasons[i]) == 0;
    free(driven_away);
    return is;
}

static void take_shown_line(void *data, char *line)
{
    char *id = field_of(line, "JobId"), *array = field_of(line, "ArrayJobId");
    char *element = field_of(line, "ArrayTaskId"), *text = xstrdup("");
    struct job *job;

    if (id != NULL && slurm_is_job_id(id)) {
        job = add_job(data);
        if (array != NULL && slurm_is_job_id(array) && element != NULL) {
            free(job->id);
            job->id = xasprintf("%s_%s", array, element);
        } else {
            set_text(&job->id, id);
        }
        take_field(line, "JobState", &job->word);
        job->state = slurm_job_state(job->word);
        take_field(line, "Reason", &job->reason);
        take_field(line, "Partition", &job->partition);
        take_field(line, "NodeList", &job->hosts);
        take_field(line, "Comment", &job->comment);
        take_field(line, "NumNodes", &text);
        job->n_nodes = (uint32_t)strtoul(text, NULL, 10); /* "3" or "3-3" */
        take_field(line, "RunTime", &text);
        slurm_read_time(text, &job->run_s);
        take_field(line, "TimeLimit", &text);
        slurm_read_time(text, &job->limit_s);
        take_field(line, "StartTime", &text);
        slurm_read_date(text, &job->start_s);
        take_field(line, "EndTime", &text);
        slurm_read_date(text, &job->end_s);
        job->is_cut_off = is_cut_off(line, job);
        take_field(line, "ExitCode", &text);
        if (job->state == JOB_ENDED) /* before, it is 0:0 */
            read_exit_code(text, job);
    }
    free(id);
    free(array);
    free(element);
    free(text);
}

void slurm_read_shown(const char *text, struct job **jobs, size_t *n)
{
    struct jobs found = {NULL, 0, 0};

    each_line(text, take_shown_line, &found);
    *jobs = found.each;
    *n = found.n;
}

/* ---- one answer ---- */

struct earliest
{
    double wall_s; /* NAN: no line told */
};

static void take_end_line(void *data, char *line)
{
    struct earliest *e = data;
    double limit_s, end_s;
    char *f[2];

    if (!split(line, f, 2))
        return;
    if (!slurm_read_date(f[1], &end_s)) {
        if (!slurm_read_time(f[0], &limit_s) || !isinf(limit_s))
            return;
        end_s = INFINITY;
    }
    if (!(e->wall_s < end_s))
        e->wall_s = end_s;
}

bool slurm_read_end(const char *text, double *wall_s)
{
    struct earliest e = {(double)NAN};

    each_line(text, take_end_line, &e);
    if (isnan(e.wall_s))
        return false;
    *wall_s = e.wall_s;
    return true;
}

struct wanted_partition
{
    const char *name; /* NULL: the default one */
    char *hosts;
};

static void take_submit_hosts(void *data, char *line)
{
    struct wanted_partition *wanted = data;
    char *name = field_of(line, wanted->name != NULL ? "PartitionName" : "Default");

    if (wanted->hosts == NULL && name != NULL && strcmp(name, wanted->name != NULL ? wanted->name : "YES") == 0)
        wanted->hosts = field_of(line, "AllocNodes");
    free(name);
}

char *slurm_read_submit_hosts(const char *text, const char *partition)
{
    struct wanted_partition wanted = {partition, NULL};

    each_line(text, take_submit_hosts, &wanted);
    return wanted.hosts;
}

/* ---- partitions ---- */

struct partitions
{
    struct slurm_nodes *each;
    size_t n;
    size_t capacity;
};

/* "gpu:a100:4(S:0-1),gpu:2,shard:8" -> 6; "(null)" -> 0. */
static uint32_t count_gpus(const char *gres)
{
    uint32_t n = 0;

    for (const char *p = gres; *p != '\0'; p += *p == ',') {
        size_t n_item = strcspn(p, ",("); /* what follows in brackets may hold commas */
        const char *colon = memrchr(p, ':', n_item);

        if (strncmp(p, "gpu", 3) == 0 && (p[3] == ':' || n_item == 3))
            n += colon != NULL && isdigit((unsigned char)colon[1]) ? (uint32_t)strtoul(colon + 1, NULL, 10) : 1;
        p += n_item;
        if (*p == '(')
            p += strcspn(p, ")");
        p += strcspn(p, ",");
    }
    return n;
}

/* "1-4", "1-infinite", "4". */
static uint32_t read_max_nodes(const char *text)
{
    const char *dash = strchr(text, '-');
    const char *most = dash != NULL ? dash + 1 : text;

    return isdigit((unsigned char)*most) ? (uint32_t)strtoul(most, NULL, 10) : UINT32_MAX;
}

static void take_partition_line(void *data, char *line)
{
    struct partitions *p = data;
    struct slurm_nodes nodes = {.n_nodes = 0};
    size_t n_name;
    char *f[10];

    if (!split(line, f, 10) || !isdigit((unsigned char)*f[4]) || *f[0] == '\0')
        return; /* a header, or a banner */
    n_name = strlen(f[0]);
    nodes.is_default = f[0][n_name - 1] == '*';
    nodes.partition = xstrndup(f[0], n_name - nodes.is_default);
    nodes.is_up = strcmp(f[1], "up") == 0;
    if (!slurm_read_time(f[2], &nodes.max_time_s))
        nodes.max_time_s = INFINITY;
    nodes.max_nodes = read_max_nodes(f[3]);
    nodes.n_nodes = (uint32_t)strtoul(f[4], NULL, 10);
    nodes.n_cpus = (uint32_t)strtoul(f[5], NULL, 10); /* "64" or, where kinds are put together, "64+" */
    nodes.memory_bytes = (uint64_t)strtoull(f[6], NULL, 10) << 20;
    nodes.n_gpus = count_gpus(f[7]);
    nodes.n_threads = (uint32_t)strtoul(f[8], NULL, 10);
    nodes.n_threads += nodes.n_threads == 0;
    nodes.features = xstrdup(strcmp(f[9], "(null)") == 0 ? "" : f[9]);
    p->each = xgrow(p->each, p->n, &p->capacity, sizeof(*p->each));
    p->each[p->n++] = nodes;
}

void slurm_read_partitions(const char *text, struct slurm_nodes **nodes, size_t *n)
{
    struct partitions found = {NULL, 0, 0};

    each_line(text, take_partition_line, &found);
    *nodes = found.each;
    *n = found.n;
}

void slurm_nodes_free_all(struct slurm_nodes *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(nodes[i].partition);
        free(nodes[i].features);
    }
    free(nodes);
}
