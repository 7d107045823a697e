/* A shared object for --plugin. */
#include "ganger.h"

static int greet(struct ganger_call *call)
{
    size_t n;

    return ganger_call_printf(call, "hello, %s", (const char *)ganger_call_payload(call, &n)) < 0;
}

const struct ganger_function ganger_plugin_functions[] = {{"greet", greet, 0}, {NULL, NULL, 0}};
