/* pbs_record: what `qstat -f`, `qstat -Q -f`, `qstat -B -f` and `pbsnodes -a` print, in either of the forms in
 * which they do, as objects with attributes. Pure: no command is run here.
 *
 * The plain form is everybody's: OpenPBS, PBS Pro, Torque, and what stands in for them. JSON (-F json) is what
 * OpenPBS and PBS Pro print since 2017; some of their versions do not escape what stands in it, and then the
 * plain form is all there is. */
#ifndef GANGER_BACKENDS_PBS_RECORD_H
#define GANGER_BACKENDS_PBS_RECORD_H

#include <stdbool.h>
#include <stddef.h>

struct pbs_attribute
{
    char *name; /* "job_state", "Resource_List.walltime" */
    char *value;
};

enum pbs_kind
{
    PBS_JOB,
    PBS_QUEUE,
    PBS_SERVER,
    PBS_NODE,
};

struct pbs_record
{
    enum pbs_kind kind;
    char *name; /* "13.head", "workq" */
    struct pbs_attribute *attributes;
    size_t n;
    size_t capacity;
};

struct pbs_records
{
    struct pbs_record *each;
    size_t n;
    size_t capacity;
};

/* Lines of other shapes (banners, headings) are passed over. The caller releases the records. */
void pbs_records_read(const char *text, struct pbs_records *records);

/* The same from JSON, whatever lines stand around it. False, and no records, when it is none. */
bool pbs_records_read_json(const char *text, struct pbs_records *records);

void pbs_records_release(struct pbs_records *records);

/* Both copy their texts; the new record has no attributes. */
struct pbs_record *pbs_records_add(struct pbs_records *records, enum pbs_kind kind, const char *name, size_t n_name);
void pbs_record_add(struct pbs_record *record, const char *name, size_t n_name, const char *value, size_t n_value);

/* The value of an attribute; NULL when it has none of that name. Borrowed. */
const char *pbs_record_find(const struct pbs_record *record, const char *name);

/* The value of a variable of a job's environment; NULL when it has none. The caller frees it. */
char *pbs_record_variable(const struct pbs_record *record, const char *name);

#endif
