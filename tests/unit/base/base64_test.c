#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4648, 10 */
static void test_the_vectors_of_the_standard(void **state)
{
    static const char *const pairs[][2] = {{"", ""},         {"f", "Zg=="},     {"fo", "Zm8="},       {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        char text[16] = "", bytes[16] = "";
        size_t n;

        *base64_put(text, pairs[i][0], strlen(pairs[i][0])) = '\0';
        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(strlen(text), base64_length(strlen(pairs[i][0])));
        assert_true(base64_read(text, strlen(text), bytes, &n));
        assert_int_equal(n, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], n);
    }
}

static void test_all_bytes_come_back(void **state)
{
    char bytes[256], text[344], back[258];
    size_t n;

    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    base64_put(text, bytes, 256);
    assert_true(base64_read(text, 344, back, &n));
    assert_int_equal(n, 256);
    assert_memory_equal(back, bytes, 256);
}

static void test_what_is_none_is_refused(void **state)
{
    static const char *const texts[] = {"Zg=", "Z", "Zg=a", "Zm9v====", "Zm 9", "Zm9\xff"};
    char bytes[16];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_false(base64_read(texts[i], strlen(texts[i]), bytes, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_vectors_of_the_standard),
        cmocka_unit_test(test_all_bytes_come_back),
        cmocka_unit_test(test_what_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
