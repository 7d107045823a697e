#!/bin/bash
# One round of chaos on hosts of its own, namespaces of this machine: on-hosts.sh DIR WORD..., for chaos.py. Exits with
# 77 where they cannot be made.
set -u
script=$(readlink -f "$0")
. "${script%/*}/../hosts/hosts.sh"
hosts_enter "$script" "$@"
cd "$1" || exit 1
shift
export CLUSTER_SHARED=${script%/*/*} CHAOS_DIR=$PWD CHAOS_HOSTS=$PWD/hosts
hosts_start "$CHAOS_HOSTS"
python3 "${script%/*}/chaos.py" "$@" # not by exec: the first process of head takes the dead away
exit
