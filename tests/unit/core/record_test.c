#include "core/record.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a line about a task with that id says of it; false: it names no task. */
static bool read_back(const char *id, char *back)
{
    struct graph *g = graph_new();
    struct event e = {.kind = EVENT_TASK_UNCHANGED};
    struct record_fields *fields = xmalloc(sizeof(*fields));
    char *line = xmalloc(record_bytes_max(0)), *end;
    struct task task = {.id = arena_text(&g->text, id, strlen(id)), .argv = "x", .n_argv = 1, .n_argv_bytes = 1};
    struct record record;
    bool is_read;

    e.task = graph_add_task(g, &task);
    end = record_put_event(line, g, &e, 1);
    record = record_over(line, (size_t)(end - line) - 1);
    assert_true(record.is_valid);
    is_read = record_read(&record, fields);
    strcpy(back, fields->task);
    free(line);
    free(fields);
    graph_free(g);
    return is_read;
}

/* Plain texts are copied as they are, others character by character: which is which must be seen at any place. */
static void test_an_id_comes_back_whatever_is_in_it_and_where(void **state)
{
    static const char *const pieces[] = {"\"", "\\", " ", "~", "\xc3\xa9", "\xf0\x9f\x90\x8c"};
    char id[64], back[RECORD_ID_BYTES + 1];

    (void)state;
    for (size_t piece = 0; piece < sizeof(pieces) / sizeof(*pieces); piece++) {
        for (int n = 0; n < 20; n++) {
            for (int at = 0; at <= n; at++) {
                snprintf(id, sizeof(id), "%.*s%s%.*s", at, "abcdefghijklmnopqrstuvwxyz", pieces[piece], n - at,
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
                assert_true(read_back(id, back));
                assert_string_equal(back, id);
            }
        }
    }
}

static void test_a_control_character_is_seen_at_any_place(void **state)
{
    char id[64], back[RECORD_ID_BYTES + 1];

    (void)state;
    for (int at = 0; at < 20; at++) {
        memset(id, 'a', 20);
        id[20] = '\0';
        assert_true(read_back(id, back));
        for (const char *c = "\x01\x1f\x7f"; *c != '\0'; c++) {
            id[at] = *c;
            assert_false(read_back(id, back));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_id_comes_back_whatever_is_in_it_and_where),
        cmocka_unit_test(test_a_control_character_is_seen_at_any_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
