#!/bin/sh
# ganger on a real Slurm: a private cluster of 3 nodes x 2 cores on this machine, gone when this ends (some 6 minutes).
set -eu
cd "$(dirname "$0")/../.."
cmake --preset default
cmake --build --preset default --parallel "$(nproc)" --target ganger --target ising
GANGER=$PWD/build/bin/ganger GANGER_SOURCE_DIR=$PWD WORK=$PWD/build/full/slurm exec bash tests/slurm/suite.sh "$@"
