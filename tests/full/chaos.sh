#!/bin/sh
# Whatever dies at whatever moment: nothing is lost, nothing runs twice, nothing is left. CHAOS_SECONDS (120) of random
# workflows, 5 kills of the manager or mpirun, 10 of workers with commands
# and 10 with functions, 5 times a full disk, CHAOS_HOSTS_SECONDS (60) over three hosts. CHAOS_SEED repeats one; each says its own.
set -eu
cd "$(dirname "$0")/../.."
cmake --preset default >/dev/null
cmake --build --preset default --parallel "$(nproc)" --target ganger functions-program
seed=${CHAOS_SEED:+--seed $CHAOS_SEED}
# shellcheck disable=SC2086
sh tests/chaos/chaos.sh --seconds "${CHAOS_SECONDS:-120}" $seed
# shellcheck disable=SC2086
sh tests/chaos/chaos.sh --deaths 5 $seed
# shellcheck disable=SC2086
sh tests/chaos/chaos.sh --worker-kills 10 $seed
# shellcheck disable=SC2086
sh tests/chaos/chaos.sh --function-kills 10 $seed
# shellcheck disable=SC2086
sh tests/chaos/chaos.sh --disk 5 $seed
status=0
# shellcheck disable=SC2086
sh tests/chaos/chaos.sh --hosts "${CHAOS_HOSTS_SECONDS:-60}" $seed || status=$?
[ $status = 77 ] || exit $status # where no hosts can be made it has said so, and the rest has been tested
