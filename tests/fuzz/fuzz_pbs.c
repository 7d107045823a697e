/* Feeds what PBS's commands print to what reads it. Built by CMake with -DGANGER_FUZZ=ON (clang).
 *
 * The first byte says what it is: 'o' what qsub printed, 'h' exec_host and behind a line break exec_vnode, 'f'
 * a file of nodes, 'd' lines of a script, anything else an answer of qstat or pbsnodes. */
#include "backends/dialect.h"
#include "backends/pbs_offer.h"
#include "backends/pbs_record.h"
#include "backends/pbs_text.h"
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void read_submitted(const char *text)
{
    char *id = pbs_read_submitted(text);

    if (id != NULL && !pbs_is_job_id(id))
        abort();
    free(id);
}

static void read_places(char *text)
{
    char *vnodes = strchr(text, '\n');
    struct pbs_places places;

    if (vnodes != NULL)
        *vnodes++ = '\0';
    if (pbs_read_places(text, vnodes, &places, NULL) < 0 && places.n > 0)
        abort();
    pbs_places_release(&places);
}

static void read_nodefile(const char *text)
{
    struct pbs_places places;

    pbs_read_nodefile(text, &places);
    pbs_places_release(&places);
}

/* An option that is put into a script is read from it as it was. */
static void read_script(const char *text)
{
    struct text_list options = {NULL, 0, 0}, again = {NULL, 0, 0};
    struct buffer script = BUFFER_EMPTY;

    dialect_read_script(&dialect_pbs, text, &options);
    for (size_t i = 0; i < options.n; i++) {
        char *joined = dialect_pbs.join(options.each[0], options.each[i]);

        free(joined);
        buffer_printf(&script, "#PBS ");
        dialect_pbs.put(&script, options.each[i]);
        buffer_printf(&script, "\n");
    }
    buffer_put_u8(&script, 0);
    dialect_read_script(&dialect_pbs, script.bytes, &again);
    text_list_release(&options);
    text_list_release(&again);
    buffer_release(&script);
}

static void read_records(const char *text)
{
    struct group g = {.n_nodes = 2, .n_cores = 2, .runtime_s = 60};
    struct pbs_site site = {.queues = {NULL, 0, 0}};
    struct resource_set set = {.type = NULL};
    struct pbs_records json = {NULL, 0, 0};
    struct buffer notes = BUFFER_EMPTY;

    pbs_records_read(text, &site.queues);
    pbs_records_read(text, &site.nodes);
    pbs_records_read(text, &site.server);
    pbs_records_read_json(text, &json);
    for (size_t i = 0; i < site.queues.n + json.n; i++) {
        struct job job;

        job_init(&job);
        pbs_read_job(i < json.n ? &json.each[i] : &site.queues.each[i - json.n], &job);
        job_release(&job);
    }
    pbs_judge(&site, &g, &set, &notes, NULL);
    g.n_cores = 0;
    pbs_judge(&site, &g, &set, &notes, NULL);
    buffer_release(&notes);
    pbs_records_release(&json);
    pbs_site_release(&site);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *text = xstrndup((const char *)bytes + (n > 0), n > 0 ? n - 1 : 0);

    switch (n > 0 ? bytes[0] : 0) {
    case 'o': read_submitted(text); break;
    case 'h': read_places(text); break;
    case 'f': read_nodefile(text); break;
    case 'd': read_script(text); break;
    default: read_records(text);
    }
    free(text);
    return 0;
}
