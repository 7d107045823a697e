#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/end_signal.h"

#include <signal.h>

static const struct
{
    const char *text;
    int signal; /* 0: refused */
    double before_s;
} words[] = {
    {"USR1", SIGUSR1, 60},    {"USR1@90", SIGUSR1, 90}, {"SIGUSR2@1", SIGUSR2, 1}, {"10@5", 10, 5},
    {"TERM@2m", SIGTERM, 120}, {"INT@1.5s", SIGINT, 1.5}, {"HUP@65535", SIGHUP, 65535},
    {"", 0, 0},               {"@60", 0, 0},            {"USR1@", 0, 0},           {"USR1@0", 0, 0},
    {"USR1@-1", 0, 0},        {"USR1@65536", 0, 0},     {"USR1@60 ", 0, 0},        {"usr1@60", 0, 0},
    {"USR3", 0, 0},           {"SIG", 0, 0},            {"KILL@60", 0, 0},         {"STOP", 0, 0},
    {"0@60", 0, 0},           {"99@60", 0, 0},          {"USR1@60@60", 0, 0},      {"B:USR1@60", 0, 0},
};

static void test_signals_are_read_as_sbatch_reads_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        struct end_signal s = {0, 0};
        bool is_read = end_signal_read(words[i].text, &s);

        if (is_read != (words[i].signal != 0) ||
            (is_read && (s.signal != words[i].signal || s.before_s != words[i].before_s)))
            fail_msg("\"%s\" was read as %d, %g s", words[i].text, (int)s.signal, s.before_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_are_read_as_sbatch_reads_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
