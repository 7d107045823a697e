# A run directory whose owner was on another host: refused while that may live; taken over when its batch job has ended, or
# the user says that it is dead; never when it is seen to live.
. "${BASH_SOURCE%/*}/lib.sh"

mkdir bin
export PATH=$PWD/bin:$PATH FAKE=$PWD
unset "${!SLURM@}"
cat >bin/scontrol <<'FAKE'
#!/bin/sh
case $4-$(cat "$FAKE/state") in
*-UNKNOWN) echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1 ;;
17-*) echo "JobId=17 JobName=x JobState=$(cat "$FAKE/state") Reason=None ExitCode=0:0 RunTime=00:01:00 TimeLimit=01:00:00" ;;
esac
FAKE
printf '#!/bin/sh\n' >bin/sacct
chmod +x bin/*

# left JOB: a run in its middle, whose owner was on a host that nobody can ask.
left() {
    rm -rf tasks.run
    printf '%s\n' 'echo one >> ran' 'echo two >> ran' >tasks.txt
    g 0 run tasks.txt -n 1
    printf '{"host":"far-away","boot_id":"b","pid_space":"p","pid":4711,"process_start":1,"job":"%s","epoch":1,"token":"t","wall_s":1.5}' \
        "$1" >tasks.run/lock
}

left "Slurm job 17"
for state in RUNNING COMPLETING PENDING UNKNOWN; do
    echo $state >state
    g 2 run tasks.txt -n 1 --resume
    says err "process 4711 on host far-away, Slurm job 17, epoch 1, since"
    says err "--break-lock"
done
echo NODE_FAIL >state
g 0 run tasks.txt -n 1 --resume
says err "Slurm job 17, which has ended"
same ran "$(printf 'one\ntwo')"
[ ! -e tasks.run/lock ] || fail "the lock is left"

left ""
rm -f ran
g 2 run tasks.txt -n 1 --resume
says err "on host far-away, epoch 1"
g 0 run tasks.txt -n 1 --resume --break-lock
says err "as you said that it is dead"

# Ranks that no launcher of ours started.
left ""
timeout -s KILL "$limit" "$MPIEXEC" --oversubscribe -n 2 "$GANGER" run tasks.txt --resume --break-lock >out 2>err ||
    fail "under mpirun: exit status $?"

# Who is seen to live keeps it.
rm -rf tasks.run
echo 'until test -e go; do sleep 0.1; done' >tasks.txt
timeout -s KILL "$limit" "$GANGER" run tasks.txt -n 1 >out1 2>err1 &
watcher=$!
until_started tasks.run 1
grep -q '"epoch":1' tasks.run/lock || fail "the lock does not say which epoch it is"
g 2 run tasks.txt -n 1 --resume --break-lock
says err "another run uses this directory"
[ -e tasks.run/lock ] || fail "the lock was broken"
touch go
wait $watcher || fail "the run was harmed"

# Modes, whatever the umask.
umask 000
rm -rf tasks.run
g 0 run tasks.txt -n 1
[ "$(find tasks.run -type d ! -perm 0700)$(find tasks.run -type f ! -perm 0600)" = "" ] || fail "others may look: $(ls -lR tasks.run)"
