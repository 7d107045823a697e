# A run over three hosts: a worker of one is killed, then all of another. What ran there runs elsewhere, and nothing is left.
. "${BASH_SOURCE%/*}/../hosts/hosts.sh"

case $("$GANGER" --version) in
*"Open MPI 4"*) ;;
*) echo "SKIPPED: only Open MPI 4's mpirun is held while hosts die" >&2; exit 77 ;;
esac
hosts_enter "$0" "$@"
hosts_start "$PWD/hosts"

# A first attempt on n1 waits for its worker's death, and has a child that has run away.
cat >flow.json <<'J'
{"tasks": [{"id": "t{i}", "for": {"i": "1-36"}, "command":
 "if [ $(hostname) = n1 ] && [ $GANGER_ATTEMPT = 1 ] && [ $GANGER_WORKER = 4 ]; then setsid sleep 7001 & sleep 7002; fi; sleep 1"}]}
J
hosts_run flow.json --fence 2
hosts_until 30 hosts_has flow.run start 6
hosts_until 10 pgrep -fx 'sleep 7001'
kill -9 "$(hosts_rank 4)"
hosts_until 5 hosts_journal_says flow.run '"event":"lost","worker":4.*its process ended'
hosts_until 5 hosts_is_gone "sleep 700[12]"
hosts_kill n2
hosts_wait 0
[ "$(hosts_events flow.run "done")" = 36 ] || hosts_die "$(hosts_events flow.run "done") of 36 tasks are done"
[ "$(hosts_events flow.run lost)" = 3 ] || hosts_die "$(hosts_events flow.run lost) workers are lost, not 4, 5 and 6"
hosts_says out "its node was silent for 4 s"
hosts_nothing_left
"$GANGER" verify flow.json >verified 2>&1 || hosts_die "verify: $(cat verified)"
