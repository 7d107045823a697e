# In a job of PBS, as its environment and an answering qstat make one: cores and memory, what tasks see, a job that was
# started again. tests/full/pbs.sh has jobs of several nodes.
. "${BASH_SOURCE%/*}/lib.sh"

mkdir bin
unset "${!SLURM@}" "${!SBATCH@}" "${!PBS@}"
here=$(hostname) PATH=$PWD/bin:$PATH
# An mpirun that is named in full puts its own folder before ours in the ranks' PATH, and there may be another qstat.
export GANGER_MPIRUN=${MPIEXEC##*/}
export PATH PBS_JOBID=13.head PBS_NODEFILE=$PWD/nodes FAKE=$PWD
for name in qsub qdel; do printf '#!/bin/sh\nexit 1\n' >bin/$name; done
cat >bin/qstat <<'FAKE'
#!/bin/sh
echo "$*" >>"$FAKE/calls"
[ ! -e "$FAKE/slow" ] || exec sleep 600
case $* in *json*) echo '{"Jobs": {"13.head": {"A": ""b""}}}' ;; *) cat "$FAKE/job" ;; esac
FAKE
chmod +x bin/*
describe() { # RUNS CPUS
    cat >job <<JOB
Job Id: 13.head
    job_state = R
    exec_host = $here/0*$2
    exec_vnode = ($here:ncpus=$2:mem=1gb)
    Resource_List.walltime = 01:00:00
    stime = $(LC_ALL=C date '+%a %b %d %H:%M:%S %Y')
    run_count = $1
JOB
}
echo "$here" >nodes # without mpiprocs: a line for each node
describe 1 2

echo 'echo "sees $PBS_NODEFILE"; env | grep -e GANGER_PBS -e GANGER_WAS -e env_list || echo "nothing of ours"' >flow.txt
g 0 run flow.txt
g 0 logs flow.run
says out "sees $PWD/nodes"
says out "nothing of ours"
grep -q '"host":"'"$here"'","slots":2,"gpus":0,"memory":1073741824,' flow.run/journal.jsonl || fail "not 2 cores and 1 GiB"
[ "$(wc -l <calls)" -le 4 ] || fail "the server was asked too often: $(cat calls)"

# A second run in the same job is one too many; the same job that was started again goes on.
g 2 run flow.txt
says err "--resume"
describe 2 2
g 0 run flow.txt
[ "$(events flow.run run)" = 2 ] || fail "it was not resumed"
[ "$(events flow.run start)" = 1 ] || fail "a task that was done ran again"

# The node on which it was before is dead, and has left its lock.
sed -i 's/.*/echo again/' flow.txt
printf '{"host":"dead","boot_id":"x","pid_space":"x","job":"PBS job 13.head","pid":1,"process_start":1,"token":"0","wall_s":1}\n' >flow.run/lock
g 0 run flow.txt
describe 1 2
printf '{"host":"dead","boot_id":"x","pid_space":"x","job":"PBS job 13.head","pid":1,"process_start":1,"token":"0","wall_s":1}\n' >flow.run/lock
g 2 run flow.txt --resume
says err "another run uses this directory"
rm flow.run/lock

# A server that does not answer is no reason not to run: the file of nodes tells as well.
: >slow
printf '%s\n' "$here" "$here" >nodes
GANGER_BATCH_TIMEOUT=1 g 0 run flow.txt --run-dir slow.run
grep -q '"slots":2,' slow.run/journal.jsonl || fail "not 2 cores"
rm slow

# Fewer cores than the job was given.
describe 1 2
first=$(sed -n 's/Cpus_allowed_list:.\([0-9]*\).*/\1/p' /proc/self/status)
cat /dev/null >err
timeout -s KILL 60 taskset -c "$first" "$GANGER" run flow.txt --run-dir few.run >out 2>err && fail "taskset was not noticed"
says err "13.head has 2 CPUs"

# On none of the job's nodes; and as a task of another run, where the job is not ours.
sed -i "s/$here/elsewhere/" job nodes
g 2 run flow.txt --run-dir away.run
says err "qsub -I"
GANGER_TASK_ID=x g 0 run flow.txt --run-dir inner.run
sed -i "s/elsewhere/$here/" job nodes

# A chain: what cannot end in the first job is left to the next, which begins after it, under its own token and log. What
# the script itself says of the environment and of its nodes is not lost by what qsub is told on its command line.
cat >bin/qsub <<'FAKE'
#!/bin/sh
echo "qsub $*" >>"$FAKE/calls"
n=$(cat "$FAKE/next")
echo $((n + 1)) >"$FAKE/next"
echo "$n.head"
FAKE
echo 13 >next
cat >chain.json <<'FLOW'
{"tasks": [{"id": "short", "command": "echo fine"}, {"id": "long", "command": "sleep 1009", "cost": 7000}]}
FLOW
at_login() { env -u PBS_JOBID -u PBS_NODEFILE PBS_SERVER=head timeout -s KILL 60 "$GANGER" "$@" >out 2>err || fail "ganger $*"; }
: >calls
at_login submit chain.json --backend pbs --run-dir chain.run --nodes 1 --cores-per-node 2 --time 2h --chain 3 -D '-v COLOUR=red'
timeout -s KILL 100 bash chain.run/job.pbs >out 2>err && fail "it had work left, and ended as if all was done"
[ "$(events chain.run done)" = 1 ] || fail "not what could be done in the time"
grep -q '^qsub -V -v COLOUR=red,GANGER_SUBMISSION=ganger:[^ ]* -o [^ ]* -j oe -W depend=afterany:13.head .*chain.run/job.pbs$' calls ||
    fail "the next job was not asked for: $(grep qsub calls)"
[ "$(grep -o 'GANGER_SUBMISSION=ganger:[0-9a-f]*' calls | sort -u | wc -l)" = 2 ] || fail "two jobs have one token"
[ "$(grep -o 'job-[0-9a-f]*.out' calls | sort -u | wc -l)" = 2 ] || fail "two jobs have one log"
says chain.run/submit.json '"job": "14.head"'

# Where jobs may not submit jobs, all are handed in at once, each after the one before.
: >calls
at_login submit chain.json --backend pbs --run-dir all.run --nodes 1 --cores-per-node 2 --time 2h --chain 3 --up-front --name 'a b'
[ "$(grep -c '^qsub .* -N a_b-' calls)" = 3 ] || fail "not three jobs: $(grep qsub calls)"
says calls "-W depend=afterany:15.head"
says calls "-W depend=afterany:16.head"
