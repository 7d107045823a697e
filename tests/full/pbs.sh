#!/bin/sh
# ganger with commands of PBS, by those of Slurm that stand in for them, on a private Slurm; gone when this ends (under two
# minutes). What that cannot show is named in tests/slurm/pbs.sh.
set -eu
cd "$(dirname "$0")/../.."
for command in qsub qstat qdel pbsnodes; do
    command -v $command >/dev/null || { echo "$command is missing: Debian's package slurm-wlm-torque has it"; exit 1; }
done
cmake --preset default
cmake --build --preset default --parallel "$(nproc)" --target ganger
GANGER=$PWD/build/bin/ganger GANGER_SOURCE_DIR=$PWD WORK=$PWD/build/full/pbs SUITE_TESTS=$PWD/tests/slurm/pbs.sh
export GANGER GANGER_SOURCE_DIR WORK SUITE_TESTS
exec bash tests/slurm/suite.sh "$@"
