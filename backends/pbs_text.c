#include "backends/pbs_text.h"

#include "base/alloc.h"
#include "base/buffer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- times and sizes ---- */

/* Whole numbers with colons between them: how many, at most four; 0 when it is anything else. A fraction of the
 * last is dropped. */
static int read_parts(const char *text, double parts[4])
{
    int n = 0;

    for (const char *p = text;; p++) {
        const char *start = p;

        if (n == 4)
            return 0;
        parts[n] = 0;
        while (isdigit((unsigned char)*p))
            parts[n] = parts[n] * 10 + (*p++ - '0');
        if (p == start || p - start > 12)
            return 0;
        n++;
        if (*p == '.')
            p += 1 + strspn(p + 1, "0123456789");
        if (*p == '\0')
            return n;
        if (*p != ':')
            return 0;
    }
}

bool pbs_read_time(const char *text, double *seconds)
{
    static const double units_s[] = {1, 60, 3600, 86400};
    double parts[4];
    int n = read_parts(text, parts);

    if (n == 0)
        return false;
    *seconds = 0;
    for (int i = 0; i < n; i++)
        *seconds += parts[i] * units_s[n - 1 - i];
    return true;
}

void pbs_write_time(double seconds, char text[32])
{
    unsigned long long s = (unsigned long long)ceil(fmin(fmax(seconds, 0), 1e12));

    snprintf(text, 32, "%02llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
}

bool pbs_read_date(const char *text, double *wall_s)
{
    struct tm parts = {.tm_isdst = -1};
    const char *end = strptime(text, "%a %b %d %H:%M:%S %Y", &parts);
    time_t seconds;

    if (end == NULL || *end != '\0') {
        char *rest;

        *wall_s = strtod(text, &rest);
        return isdigit((unsigned char)*text) && *rest == '\0' && *wall_s > 1e8 && *wall_s < 1e11;
    }
    seconds = mktime(&parts);
    *wall_s = (double)seconds;
    return seconds != (time_t)-1;
}

bool pbs_read_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "kmgtp";
    const char *unit;
    char *end;
    double n;

    if (!isdigit((unsigned char)*text))
        return false;
    n = strtod(text, &end);
    unit = *end != '\0' ? strchr(units, tolower((unsigned char)*end)) : NULL;
    if (unit != NULL) {
        n = ldexp(n, 10 * (int)(unit - units + 1));
        end++;
    }
    if (tolower((unsigned char)*end) == 'w')
        n *= 8;
    end += *end != '\0' && strchr("bBwW", *end) != NULL;
    if (*end != '\0' || !(n < 0x1p63))
        return false;
    *bytes = (uint64_t)n;
    return true;
}

/* ---- job ids ---- */

/* "13", "13[]", "13[2]". */
static size_t length_of_sequence(const char *text)
{
    size_t n = strspn(text, "0123456789"), n_index;

    if (n == 0 || text[n] != '[')
        return n;
    n_index = strspn(text + n + 1, "0123456789");
    return text[n + 1 + n_index] == ']' ? n + n_index + 2 : n;
}

static size_t length_of_job_id(const char *text)
{
    size_t n = length_of_sequence(text), n_server = 0;

    if (n == 0 || text[n] != '.')
        return n;
    while (isalnum((unsigned char)text[n + 1 + n_server]) ||
           (text[n + 1 + n_server] != '\0' && strchr("-._:", text[n + 1 + n_server]) != NULL))
        n_server++;
    return n_server > 0 ? n + 1 + n_server : n;
}

bool pbs_is_job_id(const char *text)
{
    return *text != '\0' && text[length_of_job_id(text)] == '\0';
}

bool pbs_is_same_job(const char *a, const char *b)
{
    size_t n_a = length_of_sequence(a), n_b = length_of_sequence(b), n;

    if (n_a == 0 || n_a != n_b || strncmp(a, b, n_a) != 0)
        return false;
    a += n_a;
    b += n_a;
    for (n = 0; a[n] != '\0' && a[n] == b[n]; n++)
        ;
    return (a[n] == '\0' || a[n] == '.') && (b[n] == '\0' || b[n] == '.') && (a[n] == '\0' || b[n] == '\0');
}

char *pbs_read_submitted(const char *out)
{
    char *found = NULL;

    for (const char *line = out; *line != '\0';) {
        size_t n = strcspn(line, "\r\n"), n_id = length_of_job_id(line);

        if (n > 0 && n_id == n) { /* the last one: banners come first */
            free(found);
            found = xstrndup(line, n);
        }
        line += n;
        line += strspn(line, "\r\n");
    }
    return found;
}

/* ---- states ---- */

static const struct
{
    char letter;
    const char *word;
    enum job_state state;
} states[] = {
    {'Q', "QUEUED", JOB_WAITING},    {'H', "HELD", JOB_WAITING},      {'W', "WAITING", JOB_WAITING},
    {'T', "TRANSIT", JOB_WAITING},   {'R', "RUNNING", JOB_RUNNING},   {'B', "BEGUN", JOB_RUNNING},
    {'S', "SUSPENDED", JOB_RUNNING}, {'U', "SUSPENDED", JOB_RUNNING}, {'E', "EXITING", JOB_ENDING},
    {'F', "FINISHED", JOB_ENDED},    {'X', "EXPIRED", JOB_ENDED},     {'C', "COMPLETED", JOB_ENDED},
    {'M', "MOVED", JOB_UNKNOWN}, /* to another server, which is not asked */
};
#define N_STATES (sizeof(states) / sizeof(*states))

static size_t find_state(const char *letter)
{
    size_t i = 0;

    while (i < N_STATES && (*letter != states[i].letter || letter[1] != '\0'))
        i++;
    return i;
}

enum job_state pbs_job_state(const char *letter)
{
    size_t i = find_state(letter);

    if (i < N_STATES)
        return states[i].state;
    return *letter == '\0' ? JOB_UNKNOWN : JOB_ENDED; /* what later versions may say */
}

/* ---- comments ---- */

char *pbs_encode(const char *text)
{
    struct buffer b = BUFFER_EMPTY;

    for (; *text != '\0'; text++)
        buffer_printf(&b, isalnum((unsigned char)*text) || strchr("/._:-", *text) != NULL ? "%c" : "%%%02X",
                      (unsigned char)*text);
    buffer_put_u8(&b, 0);
    return b.bytes;
}

char *pbs_decode(const char *text)
{
    struct buffer b = BUFFER_EMPTY;

    for (; *text != '\0'; text++) {
        unsigned byte;

        if (*text == '%' && isxdigit((unsigned char)text[1]) && sscanf(text + 1, "%2x", &byte) == 1 && byte != 0 &&
            isxdigit((unsigned char)text[2])) {
            buffer_put_u8(&b, (uint8_t)byte);
            text += 2;
        } else {
            buffer_put_u8(&b, (uint8_t)*text);
        }
    }
    buffer_put_u8(&b, 0);
    return b.bytes;
}

/* ---- jobs ---- */

static void set_text(char **text, const char *value)
{
    if (value == NULL)
        return;
    free(*text);
    *text = xstrdup(value);
}

/* OpenPBS has a word of its own for some, Torque another. */
static const char *find_first(const struct pbs_record *r, const char *name, const char *other)
{
    const char *value = pbs_record_find(r, name);

    return value != NULL ? value : pbs_record_find(r, other);
}

static void take_date(const struct pbs_record *r, const char *name, const char *other, double *wall_s)
{
    const char *text = find_first(r, name, other);
    double value;

    if (text != NULL && pbs_read_date(text, &value))
        *wall_s = value;
}

static void take_time(const struct pbs_record *r, const char *name, double *seconds)
{
    const char *text = pbs_record_find(r, name);
    double value;

    if (text != NULL && pbs_read_time(text, &value))
        *seconds = value;
}

/* What the exit status of a job means that PBS itself ended. */
static const struct
{
    int status;
    const char *why;
    bool is_cut_off;
} ends[] = {
    {-29, "its time was over (walltime)", true},  {-28, "it used up its CPU time (cput)", false},
    {-27, "it used more memory than it asked for (mem)", false},
    {-26, "it used more memory than it asked for (vmem)", false},
    {-25, "it used more CPUs than it asked for", false}, {-24, "it used more CPUs than it asked for", false},
};

static void take_end(const struct pbs_record *r, struct job *job)
{
    const char *text = find_first(r, "Exit_status", "exit_status");
    long status = text != NULL ? strtol(text, NULL, 10) : 0;

    if (text == NULL) {
        if (isnan(job->start_s) && strcmp(job->word, "FINISHED") == 0) /* it was deleted before it ran */
            set_text(&job->word, "CANCELLED");
        return;
    }
    if (status >= 256)
        job->exit_signal = (int)(status - 256);
    else if (status >= 0)
        job->exit_status = (int)status;
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        if (ends[i].status == status) {
            set_text(&job->reason, ends[i].why);
            job->is_cut_off = ends[i].is_cut_off;
        }
}

/* "n1,n2" of exec_host. */
static void take_hosts(const struct pbs_record *r, struct job *job)
{
    const char *exec_host = pbs_record_find(r, "exec_host"), *n_nodes = pbs_record_find(r, "Resource_List.nodect");
    struct pbs_places places = {NULL, 0, 0};
    struct buffer text = BUFFER_EMPTY;

    if (exec_host != NULL && pbs_read_places(exec_host, NULL, &places, NULL) == 0) {
        for (size_t i = 0; i < places.n; i++)
            buffer_printf(&text, "%s%s", i > 0 ? "," : "", places.each[i].host);
        buffer_put_u8(&text, 0);
        set_text(&job->hosts, text.bytes);
    }
    job->n_nodes = places.n > 0 ? (uint32_t)places.n : n_nodes != NULL ? (uint32_t)strtoul(n_nodes, NULL, 10) : 0;
    buffer_release(&text);
    pbs_places_release(&places);
}

void pbs_read_job(const struct pbs_record *r, struct job *job)
{
    const char *letter = pbs_record_find(r, "job_state");
    char *comment = pbs_record_variable(r, PBS_COMMENT_VARIABLE);
    size_t i = find_state(letter != NULL ? letter : "");

    set_text(&job->id, r->name);
    job->state = pbs_job_state(letter != NULL ? letter : "");
    set_text(&job->word, i < N_STATES ? states[i].word : letter);
    if (job->state == JOB_WAITING) /* later it says that it ran */
        set_text(&job->reason, pbs_record_find(r, "comment"));
    set_text(&job->partition, pbs_record_find(r, "queue"));
    if (comment != NULL) {
        free(job->comment);
        job->comment = pbs_decode(comment);
    }
    take_hosts(r, job);
    job->limit_s = INFINITY;
    take_time(r, "Resource_List.walltime", &job->limit_s);
    take_time(r, "resources_used.walltime", &job->run_s);
    if (job->state == JOB_WAITING)
        take_date(r, "estimated.start_time", "estimated.start_time", &job->start_s);
    else
        take_date(r, "stime", "start_time", &job->start_s);
    if (job->state == JOB_ENDED) {
        take_date(r, "obittime", "comp_time", &job->end_s);
        take_end(r, job);
    } else if (job->state != JOB_WAITING) {
        job->end_s = job->start_s + job->limit_s;
    }
    free(comment);
}

/* ---- where a job runs ---- */

void pbs_places_release(struct pbs_places *places)
{
    for (size_t i = 0; i < places->n; i++)
        free(places->each[i].host);
    free(places->each);
    *places = (struct pbs_places){NULL, 0, 0};
}

void pbs_places_add(struct pbs_places *places, const char *host, size_t n_host, uint32_t n_cpus, uint64_t memory_bytes)
{
    size_t i = places->n; /* the last is the likeliest */

    while (i > 0 && (strncmp(places->each[i - 1].host, host, n_host) != 0 || places->each[i - 1].host[n_host] != '\0'))
        i--;
    if (i == 0) {
        places->each = xgrow(places->each, places->n, &places->capacity, sizeof(*places->each));
        places->each[places->n] = (struct pbs_place){.host = xstrndup(host, n_host)};
        i = ++places->n;
    }
    places->each[i - 1].n_cpus += n_cpus;
    places->each[i - 1].memory_bytes += memory_bytes;
}

/* At most nine digits. */
static bool read_number(const char **text, uint32_t *number)
{
    const char *start = *text;

    *number = 0;
    while (isdigit((unsigned char)**text) && *text - start < 9)
        *number = *number * 10 + (uint32_t)(*(*text)++ - '0');
    return *text > start && !isdigit((unsigned char)**text);
}

/* What follows the host in one item of exec_host: "/0*4", "/0", "/0-3,6", "". */
static bool read_cpus(const char *text, const char *end, uint32_t *n_cpus)
{
    uint32_t first, last;

    *n_cpus = 0;
    if (text == end) {
        *n_cpus = 1;
        return true;
    }
    do {
        text++; /* the slash, or a comma */
        if (!read_number(&text, &first))
            return false;
        last = first;
        if (*text == '*')
            return text++, read_number(&text, n_cpus) && text == end;
        if (*text == '-' && (text++, !read_number(&text, &last)))
            return false;
        if (last < first)
            return false;
        *n_cpus += last - first + 1;
    } while (text < end && *text == ',');
    return text == end;
}

/* One chunk of exec_vnode, "(n1[0]:ncpus=2:mem=4gb+n1[1]:ncpus=2)": what its vnodes have together. Moves behind
 * it, and behind the plus. */
static bool read_chunk(const char **text, uint32_t *n_cpus, uint64_t *memory_bytes)
{
    const char *p = *text, *end = strchr(p, ')');

    *n_cpus = 0;
    *memory_bytes = 0;
    if (*p != '(' || end == NULL)
        return false;
    while (p < end) {
        size_t n = strcspn(++p, ":+)");
        char *item = xstrndup(p, n);
        uint64_t bytes;

        if (strncmp(item, "ncpus=", 6) == 0)
            *n_cpus += (uint32_t)strtoul(item + 6, NULL, 10);
        else if (strncmp(item, "mem=", 4) == 0 && pbs_read_size(item + 4, &bytes))
            *memory_bytes += bytes;
        free(item);
        p += n;
    }
    *text = end + 1 + (end[1] == '+');
    return true;
}

int pbs_read_places(const char *exec_host, const char *exec_vnode, struct pbs_places *places, struct ganger_error *err)
{
    const char *chunk = exec_vnode;

    *places = (struct pbs_places){NULL, 0, 0};
    for (const char *p = exec_host; *p != '\0';) {
        size_t n = strcspn(p, "+"), n_host = strcspn(p, "/+");
        uint32_t n_cpus, n_in_chunk;
        uint64_t memory_bytes = 0;
        bool is_good = n_host > 0 && read_cpus(p + n_host, p + n, &n_cpus);

        if (is_good && exec_vnode != NULL)
            is_good = read_chunk(&chunk, &n_in_chunk, &memory_bytes);
        if (!is_good) {
            pbs_places_release(places);
            return error_set(err, ERROR_SYSTEM, "PBS names the hosts of the job as \"%s\" (%s), which is not like "
                             "n1/0*4+n2/0*4", exec_host, exec_vnode != NULL ? exec_vnode : "no vnodes");
        }
        pbs_places_add(places, p, n_host, n_cpus, memory_bytes);
        p += n + (p[n] == '+');
    }
    return 0;
}

void pbs_read_nodefile(const char *text, struct pbs_places *places)
{
    *places = (struct pbs_places){NULL, 0, 0};
    for (const char *line = text; *line != '\0';) {
        size_t n_blanks = strspn(line, " \t\r\n"), n = strcspn(line + n_blanks, " \t\r\n");

        line += n_blanks;
        if (n > 0)
            pbs_places_add(places, line, n, 1, 0);
        line += n;
    }
}
