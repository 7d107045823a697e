# PBS, good days and bad, by commands that stand in for its own: OpenPBS, Torque, answers that are broken, late or wrong,
# noise around them. tests/full/pbs.sh has commands of Slurm's that stand in for them.
. "${BASH_SOURCE%/*}/lib.sh"

mkdir bin
export PATH=$PWD/bin:$PATH FAKE=$PWD PBS_SERVER=head
unset "${!SLURM@}" "${!SBATCH@}" PBS_JOBID PBS_NODEFILE

# The queue is the file "queue", a line for each job: ID STATE SUBMISSION. "mode" says what qsub does, "kind" which PBS it
# is: json, plain (Torque: no -F, no history), broken (JSON that is none), away.
cat >bin/pbs <<'FAKE'
#!/bin/bash
me=${0##*/}
echo "$me $*" >>"$FAKE/calls"
kind=$(cat "$FAKE/kind")
[ ! -e "$FAKE/noise" ] || { echo "$me: warning: your quota is at 90 %" >&2 && [ $me = qsub ] || echo "Welcome to head"; }
[ $kind != away ] || { echo "Connection refused"; echo "$me: cannot connect to server head (errno=111)" >&2; exit 111; }
case $kind/$me/" $* " in
plain/q*/*" -F "* | plain/qselect/*" -x "*) echo "$me: invalid option -- 'F'" >&2; echo "usage: $me [-f]" >&2; exit 2 ;;
plain/pbsnodes/*" -F "*) echo "usage: pbsnodes [-a]" >&2; exit 1 ;;
esac
json() { [ $kind != plain ] && case " $* " in *" json "*) ;; *) false ;; esac; }
add() { echo "$1 Q $submission" >>"$FAKE/queue"; }
print_jobs() { # JSON OR PLAIN, then ids
    local form=$1 comma= n=0
    shift
    [ $form = plain ] || printf '{"pbs_version":"22.05.11","Jobs":{\n'
    while read -r id state submission; do
        case " $* " in *" $id "*) ;; *) continue ;; esac
        n=$((n + 1))
        if [ $form = plain ]; then
            printf 'Job Id: %s\n    job_state = %s\n    Resource_List.walltime = 00:10:00\n' "$id" "$state"
            [ $state != F ] || echo '    Exit_status = 0'
            printf '    Variable_List = A="b",\n\tGANGER_SUBMISSION=%s\n\n' "$submission"
        elif [ $kind = broken ]; then
            printf '%s"%s":{"job_state":"%s","Variable_List":{"A":""b""}}\n' "$comma" "$id" "$state"
        else
            printf '%s"%s":{"job_state":"%s","queue":"workq","Variable_List":{"GANGER_SUBMISSION":"%s"}}\n' \
                "$comma" "$id" "$state" "$submission"
        fi
        comma=,
    done <"$FAKE/queue"
    [ $form = plain ] || echo '}}'
    [ $n -gt 0 ]
}
case $me in
qsub)
    for word; do
        case $word in *GANGER_SUBMISSION=*) submission=${word#*GANGER_SUBMISSION=} ;; esac
    done
    case $(cat "$FAKE/mode") in
    fails) echo 'qsub: Unauthorized Request' >&2; exit 159 ;;
    works) add 120.head; echo 120.head ;;
    banner) echo 'You have 12 hours left.'; echo 34; add 120.head; echo 120.head ;;
    hangs) exec sleep 600 ;;
    hangs-late) add 121.head; exec sleep 600 ;;
    silent) add 122.head ;;
    nothing) echo 'All is well.' ;;
    esac
    ;;
qselect) cut -d' ' -f1 "$FAKE/queue" ;;
qstat)
    case " $* " in
    *" -Q "*)
        if json "$@"; then
            echo '{"Queue":{"workq":{"queue_type":"Execution","enabled":"True","resources_max":{"walltime":"24:00:00"}}}}'
        else
            printf 'Queue: workq\n    queue_type = Execution\n    enabled = True\n    resources_max.walltime = 24:00:00\n'
        fi ;;
    *" -B "*)
        printf 'Server: head\n    default_queue = workq\n'
        [ $kind != plain ] || printf '    node_check_rate = 150\n' ;;
    *)
        form=plain
        ! json "$@" || form=json
        ids=$(printf '%s\n' "$@" | grep '^[0-9]')
        case " $* " in
        *" -x "*) ;;
        *) [ $kind = plain ] || ! grep -q "^${ids} F" "$FAKE/queue" || { echo "qstat: $ids Job has finished" >&2; exit 35; } ;;
        esac
        print_jobs $form $ids || { echo "qstat: Unknown Job Id ${!#}" >&2; exit 153; } ;;
    esac
    ;;
qdel)
    grep -q "^$1 " "$FAKE/queue" || { echo "qdel: Unknown Job Id $1" >&2; exit 153; }
    ! grep -q "^$1 F" "$FAKE/queue" || { echo "qdel: Job has finished $1" >&2; exit 35; }
    sed -i "s/^$1 [A-Z]*/$1 F/" "$FAKE/queue"
    ;;
pbsnodes)
    for i in 1 2 3; do
        printf 'n%s\n     state = free\n     resources_available.ncpus = 8\n     resources_available.mem = 16gb\n\n' $i
    done
    ;;
esac
FAKE
chmod +x bin/pbs
for name in qsub qstat qdel qselect pbsnodes; do ln -s pbs bin/$name; done
echo 'echo fine' >flow.txt
: >queue
echo json >kind

submit() { # MODE STATUS WORD...
    local wanted=$2
    echo "$1" >mode
    shift 2
    g "$wanted" submit flow.txt --backend pbs "$@"
}

submit fails 3
says err "Unauthorized Request"
[ ! -e flow.run ] || fail "a submission that failed left $(ls flow.run)"
submit nothing 3
says err "no job id"
says err "All is well."
[ ! -e flow.run ] || fail "a submission without a job left $(ls flow.run)"

export GANGER_BATCH_TIMEOUT=1
submit hangs 3
says err "did not end within 1 s"
says err "nothing was submitted"
submit hangs-late 3
says err "job 121.head was submitted and is cancelled again"
grep -q '^121.head F' queue || fail "the job was not cancelled"
[ ! -e flow.run ] || fail "a submission that was cancelled again left $(ls flow.run)"
unset GANGER_BATCH_TIMEOUT

# Whole nodes have as many cores as pbsnodes says; what is asked for is in the script, and in no more than one place.
: >queue
: >calls
submit silent 0 --run-dir "it's, \"so\".run" --nodes 2 --time 90m -- --fail-fast
says out "pbs job 122.head"
says "it's, \"so\".run/job.pbs" "#PBS -l select=2:ncpus=8:mpiprocs=8"
says "it's, \"so\".run/job.pbs" "#PBS -l walltime=01:30:00"
[ "$(grep -c '^#PBS -l select' "it's, \"so\".run/job.pbs")" = 1 ] || fail "two selects"
bash -n "it's, \"so\".run/job.pbs" || fail "not a script"
[ "$(grep -c '^qstat.* -Q ' calls)" = 1 ] || fail "the queues were asked for more than once"
submit banner 0
says out "pbs job 120.head"
says flow.run/submit.json '"job": "120.head"'

# Each kind of PBS tells the same; 12 has ended, 120 waits: neither may be taken for the other.
echo '12.head F none' | cat - queue >more && mv more queue
for kind in json plain broken; do
    echo $kind >kind
    for noise in no yes; do
        [ $noise = no ] || : >noise
        g 0 status flow.run
        says out "pbs 120.head: waiting"
        g 0 status
        says out "$PWD/flow.run"
        says out "$PWD/it's, \"so\".run"
        [ "$(grep -c '^pbs ' out)" = 2 ] || fail "$kind: not the two jobs that are runs"
    done
    rm noise
done
echo away >kind
g 3 status flow.run
says err "cannot connect to server head"
says out "run  $PWD/flow.run"
g 3 submit flow.txt --backend pbs --run-dir away.run
says err "cannot connect"
[ ! -e away.run ] || fail "something was made"
echo plain >kind
g 2 submit flow.txt --backend pbs --run-dir torque.run
says err "this is Torque"
[ ! -e torque.run ] || fail "something was made"
echo json >kind

g 0 cancel flow.run
grep -q '^120.head F' queue || fail "120 was not cancelled"
grep -q '^122.head Q' queue || fail "122 was cancelled"
g 0 cancel flow.run
echo plain >kind
g 0 status flow.run # the plain form knows past jobs by another question
says out "cancelled"
sed -i '/^122/d' queue
for kind in json plain; do # one that PBS has forgotten
    echo $kind >kind
    g 0 status "it's, \"so\".run"
    says out "no longer known"
done
g 0 cancel "it's, \"so\".run"
echo json >kind

# Refused before anything is made, with the reason.
: >calls
g 2 submit flow.txt --backend pbs --run-dir other.run --nodes 4
says err "it has 3 nodes, and 4 are asked for"
g 2 submit flow.txt --backend pbs --run-dir other.run --cores-per-node 9 --time 2d
says err "at most 8 cores"
says err "jobs may last 24:00:00 there, and 48:00:00 is asked for"
g 2 submit flow.txt --backend pbs --run-dir other.run --partition nosuch
says err "there is no queue \"nosuch\"; there are workq"
g 2 submit flow.txt --backend pbs --run-dir other.run --qos high
says err "no qualities of service"
g 2 submit flow.txt --backend pbs --run-dir other.run --constraint fast
says err "model=haswell"
g 2 submit flow.txt --backend pbs --run-dir other.run --directive='-J 1-4'
says err "array.pbs"
g 2 submit flow.txt --backend pbs --run-dir other:1.run
says err "colon"
says_not calls qsub
[ ! -e other.run ] || fail "something was made"

# A template of one's own: what is asked for takes the place of what it says about the same, all else stays.
cat >mine.pbs <<'TEMPLATE'
#!/bin/bash
#PBS -N theirs -l select=2:ncpus=4:mpiprocs=4:model=x,walltime=00:10:00
#PBS -v COLOUR=red -V
exec ganger run flow.json
TEMPLATE
: >calls
submit works 0 --template ./mine.pbs --nodes 3 --memory 2GiB --run-dir mine.run
says mine.run/job.pbs "#PBS -l select=3:mem=2048mb:ncpus=4:mpiprocs=4:model=x"
says mine.run/job.pbs "#PBS -l walltime=00:10:00"
says mine.run/job.pbs "#PBS -v COLOUR=red"
says_not mine.run/job.pbs "theirs"
grep -q '^qsub -V -v COLOUR=red,GANGER_SUBMISSION=ganger:' calls || fail "the job's environment is not what the template says"
