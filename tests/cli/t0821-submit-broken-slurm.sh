# What Slurm does on bad days, by commands that stand in for its own: sbatch fails, hangs, says too much or
# nothing; listings have headers; one job's id begins like another's. tests/slurm has the real one.
. "${BASH_SOURCE%/*}/lib.sh"

mkdir bin
export PATH=$PWD/bin:$PATH FAKE=$PWD
unset "${!SLURM@}" "${!SBATCH@}"

# The queue is the file "queue", a line for each job: ID STATE COMMENT. "mode" says what sbatch does.
cat >bin/slurm <<'FAKE'
#!/bin/bash
echo "${0##*/} $*" >>"$FAKE/calls"
add() { echo "$1 PENDING ${comment#--comment=}" >>"$FAKE/queue"; }
case ${0##*/} in
sinfo) echo 'main*|up|infinite|1-infinite|3|2|1000|(null)|1|(null)' ;;
sbatch)
    for word; do case $word in --comment=*) comment=$word ;; esac; done
    case $(cat "$FAKE/mode") in
    fails) echo 'sbatch: error: Batch job submission failed: Invalid account' >&2; exit 1 ;;
    banner) echo 'sbatch: Welcome. You have 12 hours left.' >&2; echo 'Your balance: 34'; add 120; echo 120 ;;
    hangs) exec sleep 600 ;;
    hangs-late) add 121; exec sleep 600 ;;
    silent) add 122 ;;
    nothing) echo 'All is well.' ;;
    esac
    ;;
squeue)
    [ ! -e "$FAKE/header" ] || echo 'JOBID|STATE|PARTITION|NODES|TIME|TIME_LIMIT|START_TIME|END_TIME|REASON|NODELIST|COMMENT'
    while read -r id state comment; do
        echo "$id|$state|main|1|0:00|5:00|N/A|N/A|None||$comment"
    done <"$FAKE/queue"
    ;;
scontrol)
    grep -q "^${!#} " "$FAKE/queue" || { echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1; }
    while read -r id state comment; do # more than was asked for, as with arrays
        echo "JobId=$id JobName=a JobState=$state Reason=None ExitCode=0:0 RunTime=00:00:00 NodeList= NumNodes=1"
    done <"$FAKE/queue"
    ;;
scancel) sed -i "s/^$1 [A-Z]*/$1 CANCELLED/" "$FAKE/queue" ;;
sacct) echo 'Slurm accounting storage is disabled' >&2; exit 1 ;;
esac
FAKE
chmod +x bin/slurm
for name in sbatch squeue sinfo scontrol scancel sacct; do ln -s slurm bin/$name; done
echo 'echo fine' >flow.txt
: >queue

submit() { # MODE STATUS WORD...
    local wanted=$2
    echo "$1" >mode
    shift 2
    g "$wanted" submit flow.txt --backend slurm "$@"
}

submit fails 3
says err "Invalid account"
[ ! -e flow.run ] || fail "a submission that failed left $(ls flow.run)"

submit nothing 3
says err "no job id"
says err "All is well."
[ ! -e flow.run ] || fail "a submission without a job left $(ls flow.run)"

export GANGER_BATCH_TIMEOUT=1
submit hangs 3
says err "did not end within 1 s"
says err "nothing was submitted"
[ ! -e flow.run ] || fail "a submission that hung left $(ls flow.run)"
submit hangs-late 3
says err "job 121 was submitted and is cancelled again"
grep -q '^121 CANCELLED' queue || fail "the job was not cancelled"
[ ! -e flow.run ] || fail "a submission that was cancelled again left $(ls flow.run)"
unset GANGER_BATCH_TIMEOUT

# Whoever submits dies before he knows the job's id: it is found all the same, and cancelled.
echo hangs-late >mode
: >queue
"$GANGER" submit flow.txt --backend slurm --run-dir half.run >out 2>err &
submitter=$!
for _ in $(seq 100); do
    [ ! -s queue ] || break
    sleep 0.1
done
kill -KILL $submitter
wait $submitter
g 0 status half.run
says out "slurm (none): waiting"
g 0 cancel half.run
grep -q '^121 CANCELLED' queue || fail "the job of half a submission was not cancelled"
g 0 cancel half.run
: >queue

submit silent 0 --run-dir silent.run
says out "slurm job 122"
submit banner 0
says out "slurm job 120"
says flow.run/submit.json '"job": "120"'

# 12 has ended, 120 waits: neither may be taken for the other, with a header or without.
echo '12 COMPLETED (null)' | cat - queue >more && mv more queue
for header in no yes; do
    [ $header = no ] || : >header
    g 0 status flow.run
    says out "slurm 120: waiting"
    g 0 status
    says out "$PWD/flow.run"
    [ "$(grep -c '^slurm' out)" = 3 ] || fail "not the three jobs that are runs"
done
g 0 cancel flow.run
grep -q '^120 CANCELLED' queue || fail "120 was not cancelled"
grep -q '^12 COMPLETED' queue || fail "12 was cancelled"
grep -q '^122 PENDING' queue || fail "122 was cancelled"

# A job that Slurm has forgotten, and that left nothing.
sed -i '/^122/d' queue
g 0 status silent.run
says out "no longer known"
says out "cut off"
g 0 cancel silent.run

# A run goes on only with a job; when that fails, what was there stays.
submit nothing 3 --run-dir silent.run
[ -e silent.run/flow.txt ] && [ -e silent.run/job.sbatch ] || fail "the earlier files are gone"
says silent.run/submit.json '"job": "122"'
mkdir mine.run
echo precious >mine.run/flow.txt
submit banner 2 --run-dir mine.run
same mine.run/flow.txt precious
says err "is there already"
[ ! -e mine.run/output ] || fail "a refused submission left a folder"

# More than can be given costs no call of sbatch.
: >calls
g 2 submit flow.txt --backend slurm --run-dir other.run --nodes 4
says_not calls sbatch
