#!/bin/bash
# Sourced: a Slurm cluster of one's own, on this machine, for as long as a script lives.
#
#   cluster_enter SCRIPT [WORD...]   first of all: runs SCRIPT again as the cluster's login node, "head"
#   cluster_start DIR [NODES [CORES]]  slurmctld and a slurmd for each of n1, n2, ...; sets SLURM_CONF
#   cluster_on HOST WORD...          a command on "head" or on a node
#   cluster_kill_node NODE           power failure
#   cluster_revive_node NODE
#   cluster_stop                     ends what runs; to be called on every way out
#
# Where the kernel lets us, each host is a set of namespaces: its own name, address, processes, /tmp and
# /dev/shm. The script is then the first process of head's process namespace, so that the kernel ends the whole
# cluster with it, however it ends. Elsewhere (containers without the right to mount) the nodes are slurmds
# with ports of their own on one host: cluster_enter says so, and cluster_kind is "plain".
#
# Needs slurmctld, slurmd, munged and, for namespaces, unshare, nsenter and ip. Nothing of an installed Slurm
# is touched: every file lies in DIR, every port is the cluster's.

cluster_path=$PATH:/usr/sbin:/sbin

cluster_die() {
    echo "cluster: $*" >&2
    [ ! -d "${cluster_dir:-/nowhere}/log" ] || tail -n 20 "$cluster_dir"/log/*.log >&2
    exit 1
}

cluster_until() { # SECONDS WORD...: waits until the command succeeds
    local i n=$(($1 * 20))
    shift
    for ((i = 0; i < n; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    cluster_die "this did not come true: $*"
}

# --- hosts ---

cluster_may_unshare() {
    PATH=$cluster_path command -v ip nsenter unshare >/dev/null &&
        unshare --uts --mount --ipc --net --pid --fork --mount-proc \
            sh -c 'hostname head && mount -t tmpfs none /mnt && ip link add cluster0 type bridge' 2>/dev/null
}

cluster_enter() {
    export PATH=$cluster_path
    unset "${!SLURM@}" "${!SBATCH@}" "${!SQUEUE@}" "${!PMIX@}" # of a cluster that this machine may belong to
    case ${CLUSTER_KIND:-} in
    hosts | plain) ;;
    *)
        if cluster_may_unshare; then
            CLUSTER_KIND=hosts exec unshare --uts --mount --ipc --net --pid --fork --mount-proc \
                --kill-child=KILL bash "$@"
        fi
        echo "cluster: no namespaces here: the nodes share this host's name, address, processes and /tmp"
        CLUSTER_KIND=plain exec bash "$@"
        ;;
    esac
    cluster_kind=$CLUSTER_KIND
    unset CLUSTER_KIND
}

# What a host has for itself; run inside of it. Paths below /tmp that all share are bound into the new one.
cluster_furnish() { # NAME DIR ADDRESS SHARED...
    local name=$1 dir=$2 tmp=$2/hosts/$1/tmp path
    shift 3
    hostname "$name"
    mkdir -p "$tmp"
    chmod 1777 "$tmp"
    mount -t tmpfs -o size=2g tmpfs /dev/shm
    mount --bind "$dir/hosts/etc_hosts" /etc/hosts
    for path; do
        case $path in /tmp/?*)
            mkdir -p "$tmp${path#/tmp}"
            mount --bind "$path" "$tmp${path#/tmp}"
            ;;
        esac
    done
    mount --rbind "$tmp" /tmp
    ip link set lo up
}

cluster_init_pid() { cat "$cluster_dir/hosts/$1/pid"; }

# The node's first process reaps orphans, as init does. A node that comes back has the address it had: what others send
# to a new one would be lost until they ask for it again.
cluster_add_host() { # NAME NUMBER
    local host=$cluster_dir/hosts/$1 outer
    mkdir -p "$host"
    rm -f "$host/ready"
    unshare --uts --mount --ipc --net --pid --fork --mount-proc --kill-child=KILL bash -c '
        . "$1"
        shift
        set -e
        cluster_furnish "$@"
        touch "$2/hosts/$1/ready"
        trap "exit 0" TERM
        while :; do sleep 3600 & wait $! || :; done' \
        "$1" "$cluster_source" "$1" "$cluster_dir" "10.77.0.$2" "${cluster_shared[@]}" </dev/null >"$host/init.log" 2>&1 &
    outer=$!
    disown
    cluster_until 10 test -e "$host/ready"
    tr -d ' ' <"/proc/$outer/task/$outer/children" >"$host/pid"
    ip link del "cluster$2" 2>/dev/null
    ip link add "cluster$2" type veth peer name eth0 address "02:00:0a:4d:00:$(printf %02x "$2")" \
        netns "$(cat "$host/pid")"
    ip link set "cluster$2" master cluster0 up
    nsenter -t "$(cat "$host/pid")" -n sh -c "ip addr add 10.77.0.$2/24 dev eth0 && ip link set eth0 up"
}

cluster_on() {
    local host=$1
    shift
    if [ "$host" = head ] || [ "$cluster_kind" = plain ]; then
        "$@"
    else
        nsenter -t "$(cluster_init_pid "$host")" -m -u -i -n -p --wd="$PWD" -- "$@"
    fi
}

cluster_open_hosts() {
    local i
    {
        echo 127.0.0.1 localhost
        echo 10.77.0.254 head
        for ((i = 1; i <= cluster_n_nodes; i++)); do echo "10.77.0.$i n$i"; done
    } >"$cluster_dir/hosts/etc_hosts"
    [ "$cluster_kind" = hosts ] || return 0
    cluster_furnish head "$cluster_dir" 10.77.0.254 "${cluster_shared[@]}" || cluster_die "no host of our own"
    ip link add cluster0 address 02:00:0a:4d:00:fe type bridge # else it changes when a host dies, and nobody finds it
    ip addr add 10.77.0.254/24 dev cluster0
    ip link set cluster0 up
    for ((i = 1; i <= cluster_n_nodes; i++)); do cluster_add_host "n$i" "$i"; done
}

# --- Slurm ---

cluster_write_conf() {
    local i address port=$cluster_port user
    user=$(id -un)
    cat <<CONF
ClusterName=ganger
SlurmctldHost=$(hostname)($([ "$cluster_kind" = hosts ] && echo 10.77.0.254 || echo 127.0.0.1))
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthInfo=socket=$cluster_dir/munge/sock,cred_expire=5
StateSaveLocation=$cluster_dir/state
SlurmdSpoolDir=$cluster_dir/spool/%n
SlurmctldPidFile=$cluster_dir/run/slurmctld.pid
SlurmdPidFile=$cluster_dir/run/slurmd.%n.pid
SlurmctldLogFile=$cluster_dir/log/slurmctld.log
SlurmdLogFile=$cluster_dir/log/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=400
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,bf_continue,batch_sched_delay=0
ReturnToService=2
SlurmdTimeout=5
SlurmctldTimeout=5
InactiveLimit=0
MinJobAge=300
KillWait=3
BatchStartTimeout=5
MessageTimeout=5
TCPTimeout=2
JobRequeue=1
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MailProg=/bin/true
CONF
    for ((i = 1; i <= cluster_n_nodes; i++)); do
        address="NodeAddr=10.77.0.$i"
        [ "$cluster_kind" = hosts ] || address="NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=$((port + i))"
        echo "NodeName=n$i $address CPUs=$cluster_n_cores Sockets=1 CoresPerSocket=$cluster_n_cores" \
            "ThreadsPerCore=1 RealMemory=1000 Gres=gpu:2 Features=node$i State=UNKNOWN"
    done
    echo "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=2"
    echo "PartitionName=short Nodes=n1 MaxTime=10 MaxNodes=1 State=UP PriorityTier=2"
    echo "PartitionName=spare Nodes=ALL MaxTime=1-00:00:00 State=UP PriorityTier=1"
    echo "PartitionName=closed Nodes=ALL State=DOWN"
}

cluster_add_slurmd() { # NODE
    mkdir -p "$cluster_dir/spool/$1"
    cluster_on "$1" slurmd -N "$1" -f "$SLURM_CONF" || cluster_die "slurmd of $1 does not start"
}

cluster_n_idle() { sinfo -h -N -p main -o %t | grep -c '^idle$'; }
cluster_is_idle() { [ "$(cluster_n_idle)" = "$cluster_n_nodes" ]; }

cluster_start() {
    cluster_dir=$(readlink -m "$1") cluster_n_nodes=${2:-3} cluster_n_cores=${3:-2}
    cluster_source=$(readlink -f "${BASH_SOURCE[0]}")
    cluster_shared=("$cluster_dir" "$PWD" "$(dirname "$cluster_source")" ${CLUSTER_SHARED:-})
    cluster_port=6817
    [ "$cluster_kind" = hosts ] || cluster_port=$((20000 + $$ % 10000))
    mkdir -p "$cluster_dir"/{munge,state,log,spool,run,hosts}
    chmod 755 "$cluster_dir" "$cluster_dir"/{state,log,spool,run,hosts}
    chmod 711 "$cluster_dir/munge"
    export SLURM_CONF=$cluster_dir/slurm.conf
    cluster_open_hosts
    cluster_write_conf >"$SLURM_CONF"
    echo 'PMIxCliTmpDirBase=/tmp' >"$cluster_dir/mpi.conf"
    for i in null zero; do echo "NodeName=n[1-$cluster_n_nodes] Name=gpu File=/dev/$i"; done >"$cluster_dir/gres.conf"
    (umask 377 && head -c 128 /dev/urandom >"$cluster_dir/munge/key")
    munged --force --num-threads=2 --socket="$cluster_dir/munge/sock" --key-file="$cluster_dir/munge/key" \
        --pid-file="$cluster_dir/run/munged.pid" --log-file="$cluster_dir/log/munged.log" \
        --seed-file="$cluster_dir/munge/seed" || cluster_die "munged does not start"
    slurmctld -c -f "$SLURM_CONF" || cluster_die "slurmctld does not start"
    cluster_until 20 scontrol ping
    for ((i = 1; i <= cluster_n_nodes; i++)); do cluster_add_slurmd "n$i"; done
    cluster_until 20 cluster_is_idle
}

cluster_kill_node() {
    [ "$cluster_kind" = hosts ] || return 1
    kill -KILL "$(cluster_init_pid "$1")"
}

cluster_revive_node() {
    cluster_add_host "$1" "${1#n}"
    cluster_add_slurmd "$1"
}

cluster_end_daemon() { # PIDFILE
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    kill -TERM "$pid" 2>/dev/null || return 0
    for ((i = 0; i < 100; i++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.05
    done
    kill -KILL "$pid" 2>/dev/null
}

# What daemons left: no namespace ends it. All of it was started with the cluster's configuration.
cluster_end_strays() {
    local folder pid
    for folder in /proc/[0-9]*; do
        pid=${folder#/proc/}
        [ "$pid" != $$ ] && grep -qzxF "SLURM_CONF=$SLURM_CONF" "$folder/environ" 2>/dev/null &&
            kill -KILL "$pid" 2>/dev/null
    done
    return 0
}

cluster_stop() {
    local file
    [ -n "${cluster_dir:-}" ] || return 0
    # Jobs first: their processes are nobody's children. With namespaces the kernel would end all this, too.
    timeout 10 scancel --quiet --user="$(id -un)" 2>/dev/null
    timeout 20 bash -c 'while squeue -h 2>/dev/null | grep -q .; do sleep 0.1; done'
    for file in "$cluster_dir"/run/slurmd.*.pid "$cluster_dir"/run/{slurmctld,munged}.pid; do
        cluster_end_daemon "$file"
    done
    [ "$cluster_kind" = hosts ] || cluster_end_strays
    cluster_dir=
}
