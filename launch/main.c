/* The `ganger` program: what the library does, and no functions of its own. */
#include "ganger.h"

int main(int argc, char **argv)
{
    return ganger_main(argc, argv, NULL);
}
