# Sourced by suite.sh: ganger with commands of PBS. There is no server of PBS here: Slurm's own qsub, qstat, qdel and
# pbsnodes stand in for it, which is as good as their words go. What they have not, and what is therefore not tried:
#   - variables of PBS in a job: to ganger it is a job of Slurm, with Slurm's cores, end and restarts
#   - JSON, qselect, history, comments: a submission that was broken off is not found again
#   - limits of queues, memory of nodes, place=, ngpus, qrerun; -W depend from within a job
#   - a time to end: qdel sends KILL at once
# The variables are tried beside it, by a job that is made by hand, over what stands in for ssh.

export PBS_SERVER=head

test_pbs_submit() {
    write_flow flow.json 8
    g 0 submit flow.json --backend pbs --nodes 2 --cores-per-node 2 --time 5m --name 'a flow'
    says out "pbs job"
    says flow.run/job.pbs "#PBS -N a_flow"
    until_true 60 has_done flow.run 1
    until_over "$(job_of flow.run)"
    is_state flow.run done || fail "at its end, status says $(state_of flow.run)"
    g 0 status flow.run
    says out "tasks  8 of 8 done"
    says out "job  pbs $(job_of flow.run): ended (COMPLETED) on n"
    uses_cores flow.run 4
    says "$(echo flow.run/job-*.out)" "--- ganger: the job begins"
    job_says "$(job_of flow.run)" TimeLimit | grep -qx 00:05:00 || fail "the time is $(job_says "$(job_of flow.run)" TimeLimit)"
    g 0 status
    says out "$PWD/flow.run"
}

test_pbs_whole_nodes_wait_and_fail() {
    printf '%s\n' 'echo fine' 'exit 3' 'sleep 0.5' >flow.txt
    g 1 submit flow.txt --backend pbs --nodes 3 --time 5m --wait
    is_state flow.run failed || fail "status says $(state_of flow.run)"
    says flow.run/job.pbs "#PBS -l select=3:ncpus=2:mpiprocs=2"
    [ "$(grep -c '^{"event":"worker"' flow.run/journal.jsonl)" = 6 ] || fail "not a worker for each core"
}

test_pbs_refused() {
    write_flow flow.json 2
    g 2 submit flow.json --backend pbs --nodes 4
    says err "it has 3 nodes, and 4 are asked for"
    g 2 submit flow.json --backend pbs --partition nosuch
    says err "there is no queue \"nosuch\""
    g 3 submit flow.json --backend pbs --nodes 1 --cores-per-node 1 --partition closed -D '-a 2100'
    [ ! -e flow.run ] || fail "what was refused left $(ls flow.run)"
}

test_pbs_cancel_and_go_on() {
    write_flow flow.json 6 2
    g 0 submit flow.json --backend pbs --nodes 1 --cores-per-node 2 --time 5m
    until_true 60 has_done flow.run 2
    g 0 cancel flow.run
    g 0 cancel flow.run
    g 0 status flow.run
    says out "cut off" # KILL: the run had no last word
    g 0 submit flow.json --backend pbs --nodes 1 --cores-per-node 2 --time 5m --resume --wait
    is_state flow.run "done" || fail "status says $(state_of flow.run)"
    n=$(grep '^{"event":"done"' flow.run/journal.jsonl | sed 's/.*"task":"\([^"]*\)".*/\1/' | sort | uniq -d | wc -l)
    [ "$n" = 0 ] || fail "$n tasks that were done ran again"
    [ "$(echo flow.run/job-*.out | wc -w)" = 2 ] || fail "the log of the first job is gone"
}

test_pbs_template_by_hand() {
    write_flow flow.json 4
    cp "$GANGER_SOURCE_DIR/pbs-templates/part-of-a-node.pbs" .
    qsub -V -o by-hand.log -j oe part-of-a-node.pbs >id || fail "qsub: $(cat id)"
    until_over "$(cat id)"
    [ "$(done_of flow.run)" = 4 ] || fail "$(cat by-hand.log)"
    uses_cores flow.run 2
}

# A job of PBS on head, n1 and n2, two cores of each, by what PBS would tell in it. On other hosts ranks have nothing of
# its environment, as over ssh.
make_job() { # RUN-COUNT
    mkdir -p bin
    printf '%s\n' head head n1 n1 n2 n2 >nodes
    cat >bin/qstat <<JOB
#!/bin/sh
echo "\$*" >>$PWD/calls
case \$* in *json*) echo 'usage: qstat' >&2; exit 2 ;; esac
cat <<RECORD
Job Id: 13.head
    job_state = R
    exec_host = head/0*2+n1/0*2+n2/0*2
    exec_vnode = (head:ncpus=2:mem=1gb)+(n1:ncpus=2:mem=300mb)+(n2:ncpus=2:mem=
	400mb)
    Resource_List.walltime = 01:00:00
    stime = $(LC_ALL=C date '+%a %b %d %H:%M:%S %Y')
    run_count = $1
RECORD
JOB
    cat >bin/agent <<AGENT
#!/bin/sh
host=\$1
shift
exec nsenter -t "\$(cat $cluster_dir/hosts/\$host/pid)" -m -u -i -n -p --wd=/tmp -- env -i PATH=/usr/bin:/bin HOME=/root sh -c "\$*"
AGENT
    chmod +x bin/*
}
in_job() { # STATUS WORD...
    PBS_JOBID=13.head PBS_NODEFILE=$PWD/nodes PATH=$PWD/bin:$PATH OMPI_MCA_plm_rsh_agent=$PWD/bin/agent g "$@"
}

test_pbs_nodes_over_ssh() {
    if [ "$cluster_kind" != hosts ]; then
        echo "  (NOT TRIED: no hosts of their own here, so no job of several nodes over ssh)"
        return 0
    fi
    make_job 1
    write_flow flow.json 18
    in_job 0 run flow.json
    uses_cores flow.run 6
    for memory in 1073741824 314572800 419430400; do
        grep -q "\"memory\":$memory," flow.run/journal.jsonl || fail "no node has $memory bytes, as the job has"
    done
    [ "$(wc -l <calls)" -le 4 ] || fail "the server was asked $(wc -l <calls) times"
    in_job 2 run flow.json # a second run of the same job …
    make_job 2
    in_job 0 run flow.json # … and the job that was started again
    [ "$(grep -c '^{"event":"run"' flow.run/journal.jsonl)" = 2 ] || fail "it did not go on"
    # A line for each node, as without mpiprocs, and no server: this node's cores count for all.
    printf '%s\n' head n1 n2 >nodes
    printf '#!/bin/sh\nexit 111\n' >bin/qstat
    NCPUS=2 in_job 0 run flow.json --run-dir lines.run
    uses_cores lines.run 6
}

# What cannot end in a job of a minute is left to the next one. To ganger these are jobs of Slurm: the next is sbatch's.
test_pbs_chain() {
    echo '{"tasks": [{"id": "t{i}", "for": {"i": "1-2"}, "cost": 40, "command": "sleep 8"}]}' >flow.json
    g 0 submit flow.json --backend pbs --nodes 1 --cores-per-node 1 --time 1m --chain 3 --wait
    is_state flow.run "done" || fail "status says $(state_of flow.run)"
    [ "$(grep -c '^{"event":"run"' flow.run/journal.jsonl)" = 2 ] || fail "not in two jobs"
    [ "$(done_of flow.run)" = 2 ] || fail "$(done_of flow.run) tasks are done"
}
