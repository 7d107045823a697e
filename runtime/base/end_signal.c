#include "base/end_signal.h"

#include "base/amount.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int find_signal(const char *name, size_t n)
{
    if (n > 0 && n <= 2 && isdigit((unsigned char)name[0]))
        return atoi(name);
    if (n > 3 && strncmp(name, "SIG", 3) == 0) {
        name += 3;
        n -= 3;
    }
    for (int signal = 1; signal < NSIG; signal++) {
        const char *known = sigabbrev_np(signal);

        if (known != NULL && strlen(known) == n && strncmp(known, name, n) == 0)
            return signal;
    }
    return 0;
}

static bool read_seconds(const char *text, double *seconds)
{
    size_t n = strspn(text, "0123456789");

    if (n > 0 && n < 10 && text[n] == '\0')
        *seconds = atoi(text);
    else if (!amount_read_duration(text, seconds))
        return false;
    return *seconds > 0 && *seconds <= END_SIGNAL_MOST_S;
}

bool end_signal_read(const char *text, struct end_signal *s)
{
    size_t n = strcspn(text, "@");
    double before_s = END_SIGNAL_DEFAULT_S;
    int signal = find_signal(text, n);

    if (signal <= 0 || signal >= NSIG || signal == SIGKILL || signal == SIGSTOP)
        return false;
    if (text[n] == '@' && !read_seconds(text + n + 1, &before_s))
        return false;
    *s = (struct end_signal){signal, before_s};
    return true;
}
