#!/bin/bash
# ganger on a real Slurm of 3 nodes x 2 cores. GANGER is the program, GANGER_SOURCE_DIR its source, WORK a folder
# that may be emptied. With words: only the tests of these names. SUITE_TESTS is a file with others to run instead.
set -u
. "$GANGER_SOURCE_DIR/tests/slurm/cluster.sh"
cluster_enter "$0" "$@"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export PATH=${GANGER%/*}:$PATH
[ "$cluster_kind" = hosts ] || export OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=lo

failed=
fail() {
    echo "FAILED: $*" >&2
    for file in out err *.log *.run/job-*.out; do
        [ ! -s "$file" ] || { echo "--- $file" && tail -n 30 "$file"; } >&2
    done
    exit 1
}

# g STATUS WORD...: ganger on the login node, into the files out and err.
g() {
    local wanted=$1 status=0
    shift
    timeout -s KILL 100 ganger "$@" >out 2>err </dev/null || status=$?
    [ $status = "$wanted" ] || fail "ganger $*: exit status $status, not $wanted"
}
says() { grep -qF -- "$2" "$1" || fail "$1 does not say: $2"; }
says_not() { ! grep -qF -- "$2" $1 || fail "$1 says: $2"; }

# until_true SECONDS WORD...
until_true() {
    local i n=$(($1 * 10))
    shift
    for ((i = 0; i < n; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    fail "this did not come true: $*"
}

# state_of RUN: what `ganger status` says.
state_of() { ganger status --json "$1" | sed -n 's/^  "state": "\(.*\)",$/\1/p'; }
is_state() { [ "$(state_of "$1")" = "$2" ]; }
# job_of RUN: its id
job_of() { sed -n 's/^    "job": "\(.*\)",$/\1/p' "$1/submit.json"; }
job_says() { scontrol -o show job "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"; }
job_is() { [ "$(job_says "$1" JobState)" = "$2" ]; }
job_is_over() { ! squeue -h -j "$1" -t pending,running,completing 2>/dev/null | grep -q .; }
until_over() { until_true 90 job_is_over "$1"; }
# done_of RUN: how many tasks its journal has as done
done_of() { grep -c '^{"event":"done"' "$1/journal.jsonl"; }
has_done() { [ "$(done_of "$1" 2>/dev/null || echo 0)" -ge "$2" ]; }

# Tasks that say where they run and on what.
write_flow() { # FILE TASKS [SECONDS]
    cat >"$1" <<FLOW
{"tasks": [{"id": "t{i}", "for": {"i": "1-$2"}, "command": "echo at \$(hostname) \$(sed -n 's/Cpus_allowed_list:.//p' /proc/self/status); sleep ${3:-0.5}"}]}
FLOW
}

# Of which cores of which nodes did tasks make use, and was each bound to one? As many lines as cores.
where() { # RUN
    if [ "$cluster_kind" = hosts ]; then
        ganger logs "$1" | sed -n 's/^at //p' | sort -u
    else # one host, whatever the node: by what the journal says
        sed -n 's/^{"event":"done".*,"node":\([0-9]*\),"slots":\[\([0-9]*\)\].*/\1 \2/p' "$1/journal.jsonl" | sort -u
    fi
}
uses_cores() { # RUN N
    where "$1" >where
    [ "$(wc -l <where)" = "$2" ] || fail "$1 used these cores, not $2: $(tr '\n' ';' <where)"
    ! grep -q '[-,]' where || fail "a task of $1 was not bound to one core: $(tr '\n' ';' <where)"
}

# No process of a job on any node, and nothing of a run in its /dev/shm.
is_clean() {
    local host
    for host in n1 n2 n3; do
        ! cluster_on "$host" ps -eo args | grep -E 'ganger run|mpiexec|mpirun|orted|sleep [0-9.]+$' | grep -v 'sleep 3600' | grep . ||
            return 1
        ! cluster_on "$host" ls /dev/shm | grep -E 'ganger|vader' || return 1
    done
}

until_clean() {
    local i
    for ((i = 0; i < 100; i++)); do
        is_clean >/dev/null && return 0
        sleep 0.1
    done
    return 1
}

# --- submit ---

test_demo() {
    mkdir -p build/bin
    cp "${GANGER%/*}/ising" build/bin/
    cp -r "$GANGER_SOURCE_DIR/examples" .
    if ! command -v gnuplot >/dev/null; then
        echo "  (no gnuplot here: the data are compared, not the picture)"
        sed -i 's/ && gnuplot -c [^"]*//' examples/ising/flow.json
    fi
    g 0 run -q -n 2 examples/ising/flow.json --run-dir here.run
    mv build/ising here
    g 0 submit examples/ising/flow.json --nodes 3 --cores-per-node 2 --time 10m -D --hold
    says out "slurm job"
    is_state flow.run waiting || fail "a held job is $(state_of flow.run)"
    ganger status flow.run >out
    says out "tasks  0 of 222 done"
    says out "JobHeldUser"
    scontrol release "$(job_of flow.run)"
    until_true 60 has_done flow.run 1
    state=$(state_of flow.run)
    case $state in running | ending | done) ;; *) fail "while it runs, status says $state" ;; esac
    until_over "$(job_of flow.run)"
    is_state flow.run done || fail "at its end, status says $(state_of flow.run)"
    ganger status flow.run >out
    says out "tasks  222 of 222 done"
    cmp here/means.dat build/ising/means.dat || fail "other results than on this machine"
    [ ! -e here/ising.svg ] || cmp here/ising.svg build/ising/ising.svg || fail "another picture"
    n=$(sed -n 's/^{"event":"done".*,"node":\([0-9]*\),"slots":\[\([0-9]*\)\].*/\1 \2/p' flow.run/journal.jsonl | sort -u | wc -l)
    [ "$n" = 6 ] || fail "$n of 6 cores were used"
    says flow.run/job-*.out "--- ganger: the job begins"
}

test_refused() {
    write_flow flow.json 3
    g 2 submit flow.json --nodes 4 --cores-per-node 3 --partition short --time 1h --memory 2GiB
    for reason in "0-00:10:00" "1 of its nodes" "2 cores" "1000 MiB"; do says err "$reason"; done
    g 2 submit flow.json --partition mian
    says err "there are closed, main, short, spare"
    g 2 submit flow.json --partition closed
    g 2 submit flow.json -D --array=1-3
    says err array.sbatch
    g 2 submit missing.json
    g 3 submit flow.json -D --no-such-option-of-sbatch
    says err unrecognized
    [ ! -e flow.run ] || fail "a refused submission left $(ls flow.run)"
    [ -z "$(squeue -h)" ] || fail "a refused submission left a job"
}

test_wait() {
    printf '%s\n' 'echo fine' >good.txt
    printf '%s\n' 'echo fine' 'exit 3' >bad.txt
    g 0 submit good.txt -c 2 --wait --before 'echo before' --after 'echo after > after' --prefix 'env A=B'
    says good.run/job-*.out before
    says good.run/job-*.out "--- ganger: the job ends, status 0"
    [ "$(cat after)" = after ] || fail "the command after the run did not run"
    g 1 submit bad.txt --nodes 2 --wait
    is_state bad.run failed || fail "status says $(state_of bad.run)"
    says_not bad.run/job-*.out "non-zero" # mpirun's own words
    g 3 submit good.txt --run-dir no.run --before 'exit 7' --wait
    says err "without the run being over"
    is_state no.run "cut off" || fail "status says $(state_of no.run)"
    g 0 status
    says out "$PWD/no.run"
}

test_cancel() {
    write_flow flow.json 50 1
    g 0 submit flow.json --nodes 3 -D --hold
    g 0 cancel flow.run
    is_state flow.run cancelled || fail "cancelled while it waited: $(state_of flow.run)"
    g 0 cancel flow.run
    g 0 submit flow.json --nodes 3 --run-dir second.run
    job=$(job_of second.run)
    until_true 60 has_done second.run 3
    g 2 submit flow.json --run-dir second.run --resume
    says err "submitted already"
    g 0 cancel second.run
    job_is_over "$job" || fail "the job lives after cancel"
    is_state second.run cancelled || fail "cancelled while it ran: $(state_of second.run)"
    ! grep -q '^{"event":"failed"' second.run/journal.jsonl || fail "what was cancelled counts as failed"
    [ ! -e second.run/lock ] || fail "the lock is left"
    n=$(done_of second.run)
    sed -i 's/sleep 1/sleep 0.1/' flow.json
    sed -i 's/sleep 1/sleep 0.1/' second.run/flow.json
    g 0 submit flow.json --nodes 3 --run-dir second.run --resume --wait
    is_state second.run done || fail "after resume: $(state_of second.run)"
    [ "$n" -ge 3 ] || fail "only $n tasks were done before"
}

# --- launching ---

launch() { # NAME SBATCH-OPTION... <launch-line
    local name=$1
    shift
    { echo '#!/bin/bash' && cat; } >"$name.sbatch"
    timeout 90 sbatch --parsable --output="$name.log" "$@" "$name.sbatch" >id || fail "sbatch"
    until_over "$(cat id)"
}

test_ganger_alone() {
    write_flow flow.json 18 0.3
    launch one -N1 -n2 <<<'exec ganger run flow.json --run-dir one.run'
    uses_cores one.run 2
    launch whole -N2 --exclusive <<<'exec ganger run flow.json --run-dir whole.run'
    uses_cores whole.run 4
    launch uneven -N3 -n5 <<<'exec ganger run flow.json --run-dir uneven.run'
    uses_cores uneven.run 5
}

# Cores may be asked for as CPUs of one task; GPUs that a job was not given are not there.
test_cpus_per_task() {
    write_flow flow.json 6 0.3
    launch a -N1 -n1 --cpus-per-task=2 <<<'exec ganger run flow.json'
    uses_cores flow.run 2
    echo '{"tasks": [{"id": "g", "gpus": 1, "command": "echo at $(hostname) $CUDA_VISIBLE_DEVICES"}]}' >gpu.json
    launch b -N1 -n2 --gres=gpu:1 <<<'exec ganger run gpu.json'
    grep -q '^{"event":"node".*"gpus":1,' gpu.run/journal.jsonl || fail "of a node's two GPUs the job has one"
}

# Of a job of unlike parts all are used, each with its own number of cores; what ends it ends all of them.
test_heterogeneous_job() {
    write_flow flow.json 15 0.3
    echo 'exec ganger run flow.json' | { echo '#!/bin/bash' && cat; } >a.sbatch
    timeout 90 sbatch --parsable --output=a.log -N1 -n2 : -N2 -n3 a.sbatch >id || fail "sbatch"
    until_over "$(cat id)"
    [ "$(done_of flow.run)" = 15 ] || fail "$(done_of flow.run) of 15 tasks are done"
    uses_cores flow.run 5
    says_not a.log "stay idle"

    write_flow long.json 12 30
    echo 'exec ganger run long.json --grace 1' | { echo '#!/bin/bash' && cat; } >b.sbatch
    timeout 90 sbatch --parsable --output=b.log --time 3 -N1 -n1 --exclusive : --time 4 -N1 -n1 --exclusive b.sbatch \
        >id || fail "sbatch"
    until_true 60 grep -q '"event":"start".*"node":1' long.run/journal.jsonl
    [ "$(grep -c '^{"event":"worker"' long.run/journal.jsonl)" = 4 ] || fail "not 4 workers"
    scancel "$(cat id)"
    until_over "$(cat id)"
    ! grep -q '^{"event":"failed"' long.run/journal.jsonl || fail "what was cancelled counts as failed"
}

# What is asked for is about the first component of a template; the run is found in the queue by one id.
test_heterogeneous_template() {
    write_flow flow.json 15 0.3
    cat >two.sbatch <<'JOB'
#!/bin/bash
#SBATCH --nodes=2 --ntasks-per-node=1
#SBATCH hetjob
#SBATCH --nodes=2 --ntasks-per-node=2
exec ganger run flow.json
JOB
    g 0 submit flow.json --template ./two.sbatch --nodes 1 --cores-per-node 1 --dry-run
    [ "$(sed -n '/hetjob$/,/^echo/p' out | grep -c -- '--nodes=2 --ntasks-per-node=2')" = 1 ] || fail "the second component was changed"
    sed '/hetjob$/q' out | grep -q -- '--nodes=1$' || fail "the first was not"
    g 0 submit flow.json --template ./two.sbatch --nodes 1 --cores-per-node 1 --time 2m
    (cd / && until_true 30 sh -c 'ganger status | grep -q flow') || fail "it is not found in the queue"
    until_over "$(job_of flow.run)"
    [ "$(done_of flow.run)" = 15 ] || fail "$(done_of flow.run) of 15 tasks are done"
    uses_cores flow.run 5
}

test_two_nodes_by_mpirun() {
    write_flow flow.json 12 0.3
    launch a -N2 --ntasks-per-node=2 <<<'exec mpirun -n $((SLURM_NTASKS + 1)) --oversubscribe --bind-to none ganger run flow.json'
    uses_cores flow.run 4
    says_not a.log "stay idle"
    launch b -N2 --ntasks-per-node=2 <<<'exec mpirun ganger run flow.json --run-dir b.run' # as Open MPI binds by default
    uses_cores b.run 3
    says b.log "4 cores, and there are 3 workers"
}

# srun's PMIx servers meet in /tmp: two nodes that share it get into each other's way.
srun_has_nodes() {
    [ "$cluster_kind" = hosts ] && return 0
    echo "  (not tried by srun: its nodes would need a /tmp of their own)"
    return 1
}

test_two_nodes_by_srun() {
    srun_has_nodes || return 0
    write_flow flow.json 12 0.3
    launch a -N2 --ntasks-per-node=2 <<<'exec srun --mpi=pmix --ntasks=$((SLURM_NTASKS + 1)) --overcommit --cpu-bind=none ganger run flow.json'
    uses_cores flow.run 4
    launch b -N2 --ntasks-per-node=2 <<<'exec srun --mpi=pmix ganger run flow.json --run-dir b.run' # as Slurm binds by default
    uses_cores b.run 3
}

test_too_few_cores() {
    write_flow flow.json 3
    launch a -N1 --ntasks-per-node=2 <<<'taskset -c 0 ganger run flow.json; echo status $?
taskset -c 0 mpirun -n 3 --oversubscribe ganger run flow.json; echo status $?'
    # Where nodes are not hosts, mpirun starts its daemon by srun, out of reach of taskset.
    n=$([ "$cluster_kind" = hosts ] && echo 2 || echo 1)
    [ "$(grep -c 'lets it use only 1 of them' a.log)" = "$n" ] || fail "not refused $n times"
    [ "$(grep -c '^status 2$' a.log)" = "$n" ] || fail "not with status 2"
    [ "$n" = 1 ] || [ ! -e flow.run ] || fail "a refused run left its directory"
}

test_tasks_that_launch() {
    cat >flow.json <<'FLOW'
{"tasks": [
    {"id": "srun", "command": ["timeout", "30", "srun", "--overlap", "-N1", "-n1", "hostname"]},
    {"id": "srun-alone", "after": ["srun"], "command": ["timeout", "30", "srun", "-N1", "-n1", "hostname"]},
    {"id": "srun-two", "after": ["srun-alone"], "command": ["timeout", "30", "srun", "--overlap", "-N2", "-n2", "sh", "-c", "echo $SLURM_PROCID of $SLURM_NTASKS"]},
    {"id": "mpirun", "after": ["srun-two"], "cores": 2, "command": ["timeout", "30", "mpirun", "-n", "2", "sh", "-c", "echo rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE"]},
    {"id": "ganger", "after": ["srun", "srun-alone", "srun-two", "mpirun"], "command": "ganger run -q -n 1 inner.txt"}
]}
FLOW
    echo 'echo inner' >inner.txt
    launch a -N2 --ntasks-per-node=2 <<<'exec ganger run flow.json'
    says_not a.log "Primary job"
    [ "$(done_of flow.run)" = 5 ] || fail "not all tasks could launch: $(ganger logs flow.run 2>&1)"
    ganger logs flow.run mpirun | sort >out
    printf 'rank %s of 2\n' 0 1 | cmp - out || fail "mpirun in a task: $(cat out)"
    ganger logs flow.run srun-two | sort >out
    printf '%s of 2\n' 0 1 | cmp - out || fail "srun in a task: $(cat out)"
}

# Outside of a job: a login node is not for runs, and a shell of salloc is not yet on a node.
test_login_node() {
    write_flow flow.json 4 0.1
    g 0 run -q flow.json
    says err "this is no job of Slurm: the run fills"
    g 0 run -q -n 1 flow.json --run-dir small.run
    says_not err "no job of Slurm"
    [ "$cluster_kind" = hosts ] || return 0 # there the login node is a node
    timeout 60 salloc -Q -N2 --ntasks-per-node=2 ganger run flow.json --run-dir a.run >out 2>err && fail "it ran"
    says err "is on none of its nodes"
    timeout 60 salloc -Q -N2 --ntasks-per-node=2 srun -N1 -n1 -c2 --overlap ganger run flow.json --run-dir b.run >out 2>err ||
        fail "srun in salloc"
    uses_cores b.run 4
}

# From the start of the job to that of the first task at most 1 s more than `mpirun hostname` takes there.
# The best of three: what else this machine does is not ours.
test_start() {
    write_flow flow.json 6 0.1
    launch a -N3 --ntasks-per-node=2 <<'JOB'
for i in 1 2 3; do
    begin=$(date +%s.%N)
    mpirun hostname >/dev/null
    echo "$begin $(date +%s.%N) $(date +%s.%N)" >begin.$i
    ganger run -q flow.json --run-dir $i.run
done
JOB
    for i in 1 2 3; do
        first=$(ganger status --json $i.run | awk -F'[:,]' '/"start"/ && !job++ {start = $2} /"first_task"/ {first = $2} END {printf "%.3f", start + first}')
        awk -v first="$first" '{
            ours = first - $3; theirs = $2 - $1
            printf "  first task after %.2f s, mpirun hostname %.2f s\n", ours, theirs
            exit !(ours > 0 && ours < theirs + 1) }' begin.$i && return
    done
    fail "that is more than 1 s, three times"
}

# What is asked for on each node is what tasks share there.
test_memory_and_gpus() {
    cat >flow.json <<'FLOW'
{"tasks": [
    {"id": "gpu{i}", "for": {"i": "1-8"}, "gpus": 1, "command": "echo at $(hostname) $CUDA_VISIBLE_DEVICES; sleep 0.2"},
    {"id": "memory{i}", "for": {"i": "1-2"}, "memory": "500MiB", "command": "sleep 0.2"}
]}
FLOW
    g 0 submit flow.json --nodes 2 --cores-per-node 2 --memory 800MiB --gpus-per-node 2 --wait
    [ "$(grep -c '^{"event":"node".*"gpus":2,"memory":838860800,' flow.run/journal.jsonl)" = 2 ] ||
        fail "the nodes do not have what was asked for: $(grep '"node","node"' flow.run/journal.jsonl)"
    [ "$cluster_kind" != hosts ] || uses_cores flow.run 4 # two GPUs, 0 and 1, on each of two nodes
    g 2 submit flow.json --nodes 2 --gpus-per-node 3 --run-dir never.run
    says err "at most 2 GPUs"
}

# A worker on another node dies: what it ran runs elsewhere, in the same job.
test_far_worker_dies() {
    [ "$cluster_kind" = hosts ] || { echo "  (not tried: which node a process is of cannot be told here)" && return 0; }
    write_flow flow.json 30 0.4
    g 0 submit flow.json --nodes 2 --cores-per-node 2
    until_true 60 has_done flow.run 4
    cluster_on n2 sh -c 'kill -KILL $(pgrep -f "ganger run" | head -n 1)' || fail "there is no worker on n2"
    until_over "$(job_of flow.run)"
    is_state flow.run "done" || fail "status says $(state_of flow.run)"
    grep -q '^{"event":"lost".*"its process ended"' flow.run/journal.jsonl || fail "the journal knows of no loss"
    [ "$(done_of flow.run)" = 30 ] || fail "$(done_of flow.run) of 30 tasks are done"
}

# --- templates, as they are and as somebody would edit them ---

test_templates() {
    local name n_cores
    write_flow flow.json 8 0.2
    for name in whole-nodes part-of-a-node several-nodes heterogeneous; do
        cp "$GANGER_SOURCE_DIR/slurm-templates/$name.sbatch" .
        timeout 90 sbatch --parsable --output="$name.log" $name.sbatch >id || fail "$name: sbatch"
        until_over "$(cat id)"
        [ "$(done_of flow.run)" = 8 ] || fail "$name did not run"
        case $name in several-nodes) n_cores=6 ;; heterogeneous) n_cores=5 ;; *) n_cores=2 ;; esac
        uses_cores flow.run $n_cores
        rm -r flow.run
    done
    cp "$GANGER_SOURCE_DIR/slurm-templates/array.sbatch" .
    sbatch --parsable --output=array-%a.log --array=1-3 array.sbatch >id || fail "array: sbatch"
    until_over "$(cat id)"
    for name in 1 2 3; do [ "$(done_of run-$name.run)" = 8 ] || fail "element $name did not run"; done
}

# Somebody's own: two nodes, the line with srun, another workflow; typed into sbatch, and given to submit.
test_edited_template() {
    srun_has_nodes || return 0
    write_flow mine.json 8 0.2
    sed -e 's/--nodes=3 /--nodes=2 /' -e 's/flow.json}/mine.json}/' -e 's/^exec/#exec/' -e 's/^#exec srun/exec srun/' \
        "$GANGER_SOURCE_DIR/slurm-templates/several-nodes.sbatch" >mine.sbatch
    sbatch --parsable --output=mine.log mine.sbatch >id || fail "sbatch"
    until_over "$(cat id)"
    uses_cores mine.run 4
    g 0 submit mine.json --template ./mine.sbatch --run-dir other.run --wait
    uses_cores other.run 4
    grep -q '^exec srun --mpi=pmix .* --run-dir' other.run/job.sbatch || fail "the launch line was not kept"
}

# A job that is driven away by another is put back into the queue, and goes on.
test_requeue() {
    write_flow flow.json 40 0.4
    cp "$GANGER_SOURCE_DIR/slurm-templates/requeue.sbatch" .
    sbatch --parsable --nodes=3 --output=requeue.log requeue.sbatch >id || fail "sbatch"
    until_true 60 has_done flow.run 3
    sbatch --parsable -N3 --exclusive --wrap 'sleep 1' >other || fail "sbatch"
    until_true 60 job_is "$(cat id)" PENDING
    is_first_epoch() { [ "$(grep -c '^{"event":"run"' flow.run/journal.jsonl)" = 2 ]; }
    until_true 150 is_first_epoch
    until_over "$(cat id)"
    n=$(grep '^{"event":"done"' flow.run/journal.jsonl | sed 's/.*"task":"\([^"]*\)".*/\1/' | sort | uniq -d | wc -l)
    [ "$n" = 0 ] || fail "$n tasks that were done ran again"
    [ "$(done_of flow.run)" = 40 ] || fail "$(done_of flow.run) of 40 tasks are done"
    ! grep -q '^{"event":"failed"' flow.run/journal.jsonl || fail "what was driven away counts as failed"
}

# --- to the end, whatever the walltime ---

# No task that was done ran again, and all are done.
ran_once() { # RUN TASKS
    local n
    n=$(sed -n 's/^{"event":"done","task":"\([^"]*\)".*/\1/p' "$1/journal.jsonl" | sort | uniq -d | wc -l)
    [ "$n" = 0 ] || fail "$n tasks that were done ran again"
    [ "$(done_of "$1")" = "$2" ] || fail "$(done_of "$1") of $2 tasks are done"
    ! grep -q '^{"event":"failed"' "$1/journal.jsonl" || fail "what was cut off counts as failed"
}
epochs_of() { grep -c '^{"event":"run"' "$1/journal.jsonl"; }

# 90 s of work on two cores, in jobs of a minute.
test_chain() {
    local begin
    begin=$(date +%s)
    echo '{"tasks": [{"id": "t{i}", "for": {"i": "1-18"}, "command": "sleep 10"}]}' >flow.json
    g 0 submit flow.json -c 2 --time 1 --chain 20
    job=$(job_of flow.run)
    until_true 300 is_state flow.run "done"
    [ $(($(date +%s) - begin)) -lt 360 ] || fail "it took $(($(date +%s) - begin)) s"
    ran_once flow.run 18
    [ "$(epochs_of flow.run)" -ge 2 ] || fail "it was one job"
    [ "$(job_of flow.run)" != "$job" ] || fail "no other job went on"
    says "flow.run/job-$job.out" "wait for the next allocation"
    says "flow.run/job-$job.out" "goes on with the"
    [ "$(job_says "$job" ExitCode)" = 75:0 ] || fail "the first job ended with $(job_says "$job" ExitCode)"
    g 0 status flow.run
    says out "of at most 20"
}

# Where jobs may not submit jobs: all at once, one after another; the ones that are not needed are cancelled.
test_chain_up_front() {
    echo '{"tasks": [{"id": "t{i}", "for": {"i": "1-6"}, "command": "sleep 8"}]}' >flow.json
    g 0 submit flow.json -c 2 --time 1 --chain 4 --up-front -- --end-margin 25
    says out "and 3 more"
    n=$(squeue -h -o %Z:%j | grep -c "^$PWD:")
    [ "$n" = 4 ] || fail "$n jobs are in the queue"
    g 2 submit flow.json -c 2 --time 1 --resume
    until_true 200 is_state flow.run "done"
    until_true 30 sh -c '! squeue -h -t pending,running -o %Z: | grep -qx "$PWD:"'
    ran_once flow.run 6
    g 0 status flow.run --json
    says out '"not_begun": 0'
}

# Where a job finds only when it asks that it may not submit another: it puts itself back into the queue.
test_chain_refused() {
    mkdir bin
    printf '%s\n' '#!/bin/sh' "[ ! -e $PWD/first ] || { echo 'sbatch: error: Access denied' >&2; exit 1; }" \
        ": >$PWD/first" "exec $(command -v sbatch) \"\$@\"" >bin/sbatch
    chmod +x bin/sbatch
    echo '{"tasks": [{"id": "t{i}", "for": {"i": "1-6"}, "command": "sleep 7"}]}' >flow.json
    PATH=$PWD/bin:$PATH g 0 submit flow.json -c 2 --time 1 --chain 4 -- --end-margin 35
    job=$(job_of flow.run)
    until_true 150 is_state flow.run "done"
    until_over "$job"
    ran_once flow.run 6
    n=$(epochs_of flow.run)
    [ "$n" -ge 2 ] || fail "nothing was left for another time"
    [ "$(job_of flow.run)" = "$job" ] || fail "another job went on"
    [ "$(job_says "$job" Restarts)" = $((n - 1)) ] || fail "the job was put back $(job_says "$job" Restarts) times, not $((n - 1))"
    says "flow.run/job-$job.out" "Access denied"
}

# A time limit that is changed while the job runs is heeded: what did not fit begins, and what fitted is ended in time.
test_time_limit_changes() {
    cat >longer.json <<'FLOW'
{"tasks": [{"id": "waits", "command": "until [ -e open ]; do sleep 0.1; done"},
    {"id": "long", "timeout": 90, "command": "touch open"}]}
FLOW
    echo '{"tasks": [{"id": "t", "command": "sleep 100"}]}' >shorter.json
    g 0 submit longer.json -c 2 --time 1
    g 0 submit shorter.json -c 2 --time 2
    until_true 60 grep -q '^{"event":"start"' longer.run/journal.jsonl
    until_true 60 grep -q '^{"event":"start"' shorter.run/journal.jsonl
    [ ! -e open ] || fail "what needs 90 s began in a job of 60 s"
    scontrol update "job=$(job_of longer.run)" TimeLimit=5
    scontrol update "job=$(job_of shorter.run)" TimeLimit=1
    until_over "$(job_of longer.run)"
    is_state longer.run "done" || fail "in the longer one, status says $(state_of longer.run)"
    until_over "$(job_of shorter.run)"
    [ "$(job_says "$(job_of shorter.run)" ExitCode)" = 75:0 ] ||
        fail "the shorter one ended with $(job_says "$(job_of shorter.run)" ExitCode)"
    says shorter.run/job-*.out "1 task is cut off"
}

# The node of a job dies: Slurm puts it back into the queue, and it goes on elsewhere.
test_node_dies() {
    local node
    [ "$cluster_kind" = hosts ] || { echo "  (not tried: the nodes are one host here)" && return 0; }
    echo '{"tasks": [{"id": "t{i}", "for": {"i": "1-40"}, "command": "sleep 0.5"}]}' >flow.json
    g 0 submit flow.json -c 2 --time 5 --chain 3
    until_true 60 has_done flow.run 3
    node=$(job_says "$(job_of flow.run)" NodeList)
    cluster_kill_node "$node"
    until_true 200 is_state flow.run "done"
    ran_once flow.run 40
    [ "$(epochs_of flow.run)" = 2 ] || fail "it has $(epochs_of flow.run) epochs"
    grep -q '^{"event":"run".*"job":"slurm job '"$(job_of flow.run)"'"' flow.run/journal.jsonl || fail "the journal names no job"
    cluster_revive_node "$node"
    until_true 60 all_idle
}

# A node of a job with --no-kill dies: the rest goes on, and runs what ran there, also when Slurm has noticed.
test_one_node_of_several_dies() {
    [ "$cluster_kind" = hosts ] || { echo "  (not tried: the nodes are one host here)" && return 0; }
    cat >flow.json <<'FLOW'
{"tasks": [{"id": "t{i}", "for": {"i": "1-30"}, "command": "sleep 0.5"},
    {"id": "gate", "after": ["t1"], "command": "until [ -e open ]; do sleep 0.1; done"},
    {"id": "u{i}", "for": {"i": "1-8"}, "after": ["gate"], "command": "sleep 0.5"}]}
FLOW
    g 0 submit flow.json --nodes 3 -c 2 --time 5 --directive=--no-kill -- --fence 3
    job=$(job_of flow.run)
    until_true 60 has_done flow.run 3
    until_true 10 grep -q '^{"event":"start".*"node":2' flow.run/journal.jsonl
    cluster_kill_node n3
    until_true 60 sh -c 'sinfo -h -n n3 -p main -o %t | grep -q "^down"'
    job_is "$job" RUNNING || fail "the job is $(job_says "$job" JobState)"
    touch open
    until_over "$job"
    [ "$(job_says "$job" JobState) $(job_says "$job" ExitCode)" = "COMPLETED 0:0" ] ||
        fail "the job ended $(job_says "$job" JobState) $(job_says "$job" ExitCode)"
    is_state flow.run "done" || fail "status says $(state_of flow.run)"
    ran_once flow.run 39
    [ "$(epochs_of flow.run)" = 1 ] || fail "it took $(epochs_of flow.run) jobs"
    [ "$(grep -c '^{"event":"lost".*silent' flow.run/journal.jsonl)" = 2 ] || fail "the journal does not know of two losses"
    cluster_revive_node n3
    until_true 60 all_idle
}
all_idle() { [ "$(sinfo -h -N -p main -o %t | grep -c '^idle')" = 3 ]; }

# --- running them ---

if [ -n "${SUITE_TESTS:-}" ]; then
    for test in $(declare -F | sed -n 's/^declare -f //p' | grep '^test_'); do unset -f "$test"; done
    . "$SUITE_TESTS"
fi
tests=${*:-$(declare -F | sed -n 's/^declare -f test_//p')}
mkdir -p "$WORK" && cd "$WORK" || exit 3
rm -rf "${WORK:?}"/*
trap cluster_stop EXIT
export CLUSTER_SHARED="$GANGER_SOURCE_DIR ${GANGER%/*}"
cluster_start "$WORK/cluster" 3 2

run_test() { # NAME: its last line says how it went
    local begin
    begin=$(date +%s)
    mkdir "$WORK/$1"
    if (cd "$WORK/$1" && "test_$1"); then
        echo "pass  $1, $(($(date +%s) - begin)) s"
    else
        echo "FAIL  $1, $(($(date +%s) - begin)) s"
        return 1
    fi
}

# Tests that mostly wait run beside each other, where the cluster has a node for each of their jobs.
beside() {
    case $1 in
    chain) echo time_limit_changes ;;
    chain_refused) echo chain_up_front ;;
    esac
}

left=$tests
while [ -n "${left// /}" ]; do
    set -- $left
    test=$1 other=$(beside "$1") other_pid=
    shift
    left=$*
    if [ -n "$other" ] && [[ " $left " == *" $other "* ]]; then
        left=" $left " left=${left/ $other / }
        run_test "$other" >"$WORK/$other.out" 2>&1 &
        other_pid=$!
    fi
    run_test "$test" || failed="$failed $test"
    if [ -n "$other_pid" ]; then
        wait "$other_pid" || failed="$failed $other"
        cat "$WORK/$other.out"
    fi
    scancel --quiet --user="$(id -un)" 2>/dev/null
    until_true 60 sh -c '! squeue -h | grep -q .'
    if [ "$cluster_kind" = hosts ] && ! until_clean; then
        echo "FAIL  $test left this on its nodes: $(is_clean)"
        failed="$failed $test"
    fi
done
[ -z "$failed" ] || { echo "failed:$failed" && exit 1; }
