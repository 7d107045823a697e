#!/bin/sh
# What ganger promises when anything dies at any moment, tried at random.
#
#   chaos.sh [--seconds N] [--seed S]    random workflows; tasks, workers, manager, mpirun and launcher are killed, told to
#                                        end, stopped and continued; each run is resumed until it is done
#   chaos.sh --worker-kills N            so many kills of workers, over runs of 20,000 short tasks
#   chaos.sh --function-kills N          the same, of 100,000 short functions and 1,000 of 10 ms
#   chaos.sh --deaths N                  so many kills of the manager or mpirun, each time resumed
#   chaos.sh --disk N                    so many times the run directory's disk is full, each time emptied and resumed
#   chaos.sh --hosts SECONDS             random workflows over three hosts, made of namespaces: workers, leaders and the
#                                        manager are killed, workers stopped and continued, hosts cut off and healed, or
#                                        killed; where they cannot be made it says so, and exits with 77
#
# $GANGER is the program (default: build/bin/ganger). What a failing round did is kept in $CHAOS_DIR (default: a folder
# that is named then); the seed that is printed repeats the workflow and the order of what is done to it, the machine's
# timing is its own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${GANGER:=$here/../../build/bin/ganger}"
[ -x "$GANGER" ] || { echo "chaos.sh: no program at $GANGER: build it, or set GANGER" >&2; exit 2; }
: "${FUNCTIONS:=${GANGER%/bin/*}/tests/functions-program}" # has the functions of tests/functions/program.c
export GANGER FUNCTIONS OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/chaos.py" "$@"
