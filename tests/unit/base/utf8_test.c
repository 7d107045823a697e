#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_characters_of_each_length_are_read(void **state)
{
    static const struct
    {
        const char *bytes;
        size_t n;
        uint32_t character;
    } cases[] = {
        {"a", 1, 'a'},
        {"\x7f", 1, 0x7f},
        {"\xc2\x80", 2, 0x80},
        {"\xdf\xbf", 2, 0x7ff},
        {"\xe0\xa0\x80", 3, 0x800},
        {"\xed\x9f\xbf", 3, 0xd7ff},
        {"\xee\x80\x80", 3, 0xe000},
        {"\xef\xbf\xbf", 3, 0xffff},
        {"\xf0\x90\x80\x80", 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint32_t character = 0;

        assert_int_equal(utf8_character(cases[i].bytes, strlen(cases[i].bytes), &character),
                         cases[i].n);
        assert_int_equal(character, cases[i].character);
        /* One byte less is no character any more. */
        assert_int_equal(utf8_character(cases[i].bytes, cases[i].n - 1, &character), 0);
    }
}

static void test_what_is_no_character_is_told(void **state)
{
    static const char *const cases[] = {
        "\x80",             /* begins within one */
        "\xc3(",            /* ends too early */
        "\xc0\x80",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* above the last one */
        "\xf8\x88\x80\x80\x80",
        "\xff",
    };
    uint32_t character;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(utf8_character(cases[i], strlen(cases[i]), &character), 0);
}

static void test_bytes_that_are_no_text_are_replaced(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"plain \xc3\xbc", "plain \xc3\xbc"},
        {"bad\xff.txt", "bad\xef\xbf\xbd.txt"},
        {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"cut \xc3", "cut \xef\xbf\xbd"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *repaired = utf8_repaired(cases[i][0]);

        assert_string_equal(repaired, cases[i][1]);
        free(repaired);
    }
}

static void test_control_characters_are_found_and_made_printable(void **state)
{
    static const struct
    {
        const char *text;
        size_t place;
        const char *printable;
    } cases[] = {
        {"", 0, ""},
        {"plain \xc3\x9b \xc2\xa0", 0, "plain \xc3\x9b \xc2\xa0"},
        {"a\033[31mb\x7f", 2, "a?[31mb?"},
        {"\xc2\x9b" "31m\xc2\x80", 1, "??31m??"},
        {"cut \xc2", 0, "cut \xc2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[32];

        assert_int_equal(utf8_find_control(cases[i].text, strlen(cases[i].text)), cases[i].place);
        strcpy(text, cases[i].text);
        utf8_make_printable(text);
        assert_string_equal(text, cases[i].printable);
    }
}

/* Eight bytes are looked at at once. */
static void test_each_byte_is_judged_wherever_it_stands(void **state)
{
    char text[] = "a text of twenty-six bytes";

    (void)state;
    for (int byte = 1; byte < 256; byte++)
        for (size_t i = 0; i + 1 < sizeof(text); i++) {
            bool is_control = byte < 0x20 || byte == 0x7f;
            char was = text[i];

            text[i] = (char)byte;
            assert_int_equal(utf8_find_control(text, sizeof(text) - 1), is_control ? i + 1 : 0);
            text[i] = was;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_of_each_length_are_read),
        cmocka_unit_test(test_what_is_no_character_is_told),
        cmocka_unit_test(test_bytes_that_are_no_text_are_replaced),
        cmocka_unit_test(test_control_characters_are_found_and_made_printable),
        cmocka_unit_test(test_each_byte_is_judged_wherever_it_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
