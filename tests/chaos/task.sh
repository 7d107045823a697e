#!/bin/sh
# One task of the chaos test: task.sh KIND NUMBER SECONDS [PARENT]...
#
# Works out a value from its NUMBER and its parents' values, and puts it into out/ID by a rename. Says in `log` that it
# starts and ends, before and after all else. As long as anything of an attempt lives, it holds the lock of its task:
# the next attempt says so if it does not get it.
kind=$1 value=$2 pause=$3
shift 3
id=$GANGER_TASK_ID
read -r now _ </proc/uptime
echo "start $id ${GANGER_EPOCH:-0} $GANGER_ATTEMPT $now" >>log
exec 9>"lock/$id"
flock -w 0.5 9 || echo "twice $id ${GANGER_EPOCH:-0} $GANGER_ATTEMPT $now" >>log

for parent in "$@"; do
    read -r theirs <"out/$parent" || exit 9
    value=$(((value * 31 + theirs) % 1000003))
done

case $kind in
flaky) [ "$GANGER_ATTEMPT" != 1 ] || exit 3 ;;
fails) exit 4 ;;
hangs)
    sleep 7001
    exit 4 ;;
leaves)
    setsid sleep 7002 </dev/null >/dev/null 2>&1 &
    (sleep 7003 &)
    ;;
stubborn) trap '' TERM INT HUP ;;
prints) head -c 300000 /dev/zero | tr '\0' "$((value % 10))" ;;
fills) for i in 1 2 3 4 5; do mkdir -p "$GANGER_TMPDIR/$i/deep" && echo $i >"$GANGER_TMPDIR/$i/deep/file"; done ;;
esac
sleep "$pause"

echo "$value" >"out/.$id.$$"
mv "out/.$id.$$" "out/$id"
read -r now _ </proc/uptime
echo "end $id ${GANGER_EPOCH:-0} $GANGER_ATTEMPT $now" >>log
