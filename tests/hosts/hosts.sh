#!/bin/bash
# Sourced: hosts of one's own, made of namespaces, and ganger over them by mpirun; for as long as a script lives.
#
#   hosts_enter SCRIPT [WORD...]  first of all: runs SCRIPT again as "head"; exits with 77 where that cannot be
#   hosts_start DIR [N]           n1 to nN (2), beside head; every run started afterwards is spread over all of them
#   hosts_cut HOST, hosts_heal HOST  pulls its cable, and puts it back
#   hosts_kill HOST               power failure
#   hosts_revive HOST             power is back
#   hosts_attach DIR              in another shell of head: its hosts are those that were started with DIR
#   hosts_run WORD...             ganger run, in the background; its output is in ./out
#   hosts_wait STATUS             waits for its end, and checks its status
#   hosts_rank R                  the process that is rank R
#
# The hosts themselves are those of tests/slurm/cluster.sh. Head has the manager and two workers, ranks 1 and 2; n1 has 3
# and 4, n2 has 5 and 6.
. "${BASH_SOURCE%/*}/../slurm/cluster.sh"

hosts_enter() {
    cluster_enter "$@"
    [ "$cluster_kind" = hosts ] && return 0
    echo "SKIPPED: this machine does not let us make namespaces (root, and unshare, nsenter and ip are needed): nothing" \
        "of several hosts has been tested" >&2
    exit 77
}

hosts_start() {
    cluster_dir=$(readlink -m "$1") cluster_n_nodes=${2:-2}
    cluster_source=$(readlink -f "${BASH_SOURCE%/*}/../slurm/cluster.sh")
    cluster_shared=("$cluster_dir" "$PWD" "$(dirname "$cluster_source")" "$(dirname "$GANGER")" ${CLUSTER_SHARED:-})
    mkdir -p "$cluster_dir/hosts"
    cluster_open_hosts
    cat >"$cluster_dir/agent" <<AGENT
#!/bin/sh
host=\$1
shift
exec nsenter -t "\$(cat "$cluster_dir/hosts/\$host/pid")" -m -u -i -n -p --wd="\$PWD" -- setsid /bin/sh -c "\$*"
AGENT
    chmod +x "$cluster_dir/agent"
    echo head slots=3 >"$cluster_dir/hostfile"
    for ((i = 1; i <= cluster_n_nodes; i++)); do echo "n$i slots=2"; done >>"$cluster_dir/hostfile"
    hosts_n_workers=$((2 + 2 * cluster_n_nodes))
    declare -p cluster_dir cluster_n_nodes cluster_source cluster_shared cluster_kind | sed 's/^declare /&-g /' \
        >"$cluster_dir/attach"
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl=vader,tcp,self
    export OMPI_MCA_plm_rsh_agent=$cluster_dir/agent OMPI_MCA_orte_default_hostfile=$cluster_dir/hostfile
}

hosts_cut() { ip link set "cluster${1#n}" down; }
hosts_heal() { ip link set "cluster${1#n}" up; }
hosts_kill() { cluster_kill_node "$1"; }
hosts_revive() { cluster_add_host "$1" "${1#n}"; }
hosts_attach() { . "$1/attach"; }

hosts_die() {
    echo "FAILED: $*" >&2
    [ ! -s out ] || { echo "--- out" && tail -n 40 out; } >&2
    exit 1
}

hosts_run() {
    timeout -s KILL "${LIMIT_S:-100}" "$GANGER" run "$@" -n "$hosts_n_workers" >out 2>&1 </dev/null &
    hosts_watcher=$!
}

hosts_wait() {
    local status=0
    wait "$hosts_watcher" || status=$?
    [ $status = "$1" ] || hosts_die "exit status $status, not $1"
}

hosts_launcher() { pgrep -P "$hosts_watcher"; }
hosts_mpirun() { pgrep -P "$(hosts_launcher)" | head -n 1; }

hosts_rank() {
    local pid
    for pid in $(pgrep -f "$GANGER run"); do
        tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qx "OMPI_COMM_WORLD_RANK=$1" && echo "$pid" && return 0
    done
    return 1
}

# hosts_until SECONDS WORD...: waits until the command succeeds.
hosts_until() {
    local i n=$(($1 * 20))
    shift
    for ((i = 0; i < n; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    hosts_die "this did not come true: $*"
}

# events RUN KIND: how many lines of that kind its journal has.
hosts_events() { grep -c "^{\"event\":\"$2\"" "$1/journal.jsonl"; }
hosts_has() { [ "$(hosts_events "$1" "$2")" -ge "$3" ]; }
hosts_journal_says() { grep -q "$2" "$1/journal.jsonl"; }
hosts_says() { grep -qF -- "$2" "$1" || hosts_die "$1 does not say: $2"; }

# All ranks, daemons and tasks of the run are gone; those of a host that was cut off leave when its daemon notices.
hosts_nothing_left() { hosts_until "${1:-10}" hosts_is_quiet; }
hosts_is_quiet() { ! pgrep -f "$GANGER run|orted|sleep 70[0-9][0-9]"; }
hosts_is_gone() { ! pgrep -fx -- "$1"; } # a whole command line
