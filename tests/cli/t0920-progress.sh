# What a person sees: one line on a terminal, lines elsewhere, failures at once, the summary at the end, nothing of
# that with --quiet.
. "${BASH_SOURCE%/*}/lib.sh"

# Elsewhere than on a terminal: plain lines at the interval that was asked for.
printf '%s\n' 'sleep 2.5' true 'echo last words; exit 3' >tasks.txt
g 1 run tasks.txt -n 2 --progress-interval 1
grep -qE '^[0-9:]+  66 %  1 of 3 done, 1 failed, 1 running, .*[0-9]/s, 1 of 2 cores busy' err || fail "no line of progress"
says err "FAILED 3 (attempt 1, worker "
says err "    | last words"
says_not err $'\033'
says out "          done  2 of 3 tasks"
grep -qE '^   lower bound  (2\.[5-9]|[3-9])' out || fail "the lower bound is not what the longest task took"
says out "only the last tasks ran"
says out "ganger run tasks.txt --resume"
[ "$(wc -l <out)" -le 25 ] || fail "the summary is long"

# Without an interval nothing is said so soon; with 0 never.
printf '%s\n' 'sleep 1.2' >sleep.txt
g 0 run sleep.txt -n 2
same err ""
g 0 run sleep.txt -n 2 --run-dir other.run --progress-interval 0
same err ""

# Quietly: failures and what to do, else nothing.
printf '%s\n' true >well.txt
g 0 run well.txt -n 1 --quiet
same out ""
same err ""
printf '%s\n' 'exit 3' >badly.txt
g 1 run badly.txt -n 1 --quiet
says err "FAILED 1"
says out "        failed  1"
says_not out makespan

# On a terminal: a line that is rewritten, no wider than the terminal, and gone in the end.
command -v script >/dev/null || { echo "script is not installed: progress on a terminal was NOT tested"; exit 0; }
printf '%s\n' 'sleep 1' 'sleep 0.7' false >tty.txt
on_terminal() { # TERM COLUMNS RUN
    TERM=$1 timeout -s KILL 90 script -qec "stty cols $2; \"$GANGER\" run tty.txt -n 2 --run-dir $3" typescript </dev/null \
        >/dev/null && fail "a run with a failure ended with 0"
    tr -d '\r' <typescript >lines
}
unset NO_COLOR
on_terminal xterm 60 a.run
says lines $'\033[K'
says lines $'\033[31mFAILED\033[m 3 ('
says lines "1 of 3 done"
tr '\r' '\n' <typescript | grep -oE '[0-9]+ %  [0-9]+ of 3 done.*' >drawn
[ -s drawn ] || fail "no line was drawn"
[ "$(awk 'length > 59' drawn | wc -l)" = 0 ] || fail "a line is too wide"
NO_COLOR=1 on_terminal xterm 200 b.run
says lines "FAILED 3 ("
grep -q "cores busy" lines || fail "no cores"
on_terminal dumb 80 c.run
says_not lines $'\033'
says lines "FAILED 3 ("
