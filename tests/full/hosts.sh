#!/bin/sh
# Runs over three hosts, made of namespaces, of which workers, whole hosts and networks are lost (some 3 minutes).
set -eu
cd "$(dirname "$0")/../.."
cmake --preset default
cmake --build --preset default --parallel "$(nproc)" --target ganger functions-hooks
GANGER=$PWD/build/bin/ganger WORK=$PWD/build/full/hosts exec bash tests/hosts/suite.sh "$@"
