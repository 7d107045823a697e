# ganger-forward: what tasks give to shared files, whole or not at all.
. "$GANGER_SOURCE_DIR/tests/cli/lib.sh"
forward=$(dirname "$GANGER")/ganger-forward

# ends STATUS WORD...: runs the program with the words.
ends() {
    local wanted=$1 status=0
    shift
    timeout -s KILL 60 "$forward" "$@" >out 2>err || status=$?
    [ $status = "$wanted" ] || fail "ganger-forward $*: exit status $status, not $wanted"
}

# Both kinds, appended, never emptied; the source is gone; a variable tells the descriptor.
echo before >pipe.txt
ends 0 -f FD=pipe.txt -F 'a b=file.txt' -- sh -c 'echo to the pipe >&"$FD"; echo to the file >"a b"; echo seen'
same pipe.txt "before
to the pipe"
same file.txt "to the file"
same out seen
[ ! -e "a b" ] || fail "the source is still there"

# Two variables of one file; nothing written; no source: no error, and no file is made.
ends 0 -f A=both.txt -f B=./both.txt -f C=none.txt -F nothing=none2.txt -- sh -c 'echo a >&"$A"; echo b >&"$B"'
same both.txt "a
b"
[ ! -e none.txt ] && [ ! -e none2.txt ] || fail "a file was made for nothing"

# A failed attempt leaves nothing, and ends as its command did.
ends 7 -f FD=failed.txt -F src=failed.txt -- sh -c 'echo x >&"$FD"; echo x >src; exit 7'
[ ! -e failed.txt ] && [ ! -e src ] || fail "a failed attempt left something"
ends 137 -f FD=failed.txt -- sh -c 'echo x >&"$FD"; kill -KILL $$'
[ ! -e failed.txt ] || fail "a killed attempt left something"
ends 127 -f FD=failed.txt -- ./no-such-program
says err "cannot start ./no-such-program"

# Told to end: its data is dropped, even if it then ends well.
timeout -s KILL 60 "$forward" -f FD=told.txt -- \
    sh -c 'trap "exit 0" TERM; echo x >&"$FD"; : >ready; while :; do sleep 0.1; done' &
child=$!
for _ in $(seq 300); do [ -e ready ] && break || sleep 0.1; done
# timeout passes TERM to its child, the forwarder; the command gets it, too, as a group does.
pkill -TERM -P "$(pgrep -P $child)" sh
kill -TERM "$(pgrep -P $child)" 2>/dev/null
status=0
wait $child || status=$?
[ $status != 0 ] || fail "a command that was told to end counts as done"
[ ! -e told.txt ] || fail "what was told to end left something"

# More than a pipe holds, from many at once, is never torn; not even when one cannot write all of it.
for i in 1 2 3 4 5 6; do
    timeout -s KILL 60 "$forward" -f FD=shared.txt -F "s$i=other.txt" -- \
        sh -c "head -c 300000 /dev/zero | tr '\\0' $i >&\"\$FD\"; printf %0100d $i >s$i" &
done
wait
[ "$(wc -c <shared.txt)" = 1800000 ] || fail "shared.txt has $(wc -c <shared.txt) bytes"
[ "$(tr -s 1-6 <shared.txt | fold -w 1 | sort | tr -d '\n')" = 123456 ] || fail "shared.txt is torn"
[ "$(wc -c <other.txt)" = 600 ] || fail "other.txt has $(wc -c <other.txt) bytes"
ends 1 -f A=ok.txt -f B=no-folder/x -- sh -c 'echo a >&"$A"; echo b >&"$B"'
[ ! -s ok.txt ] || fail "half of a task's data was appended"
says err "cannot open no-folder/x"
printf old >limited.txt
(trap '' XFSZ; ulimit -f 100; "$forward" -f A=limited.txt -- sh -c 'head -c 300000 /dev/zero >&"$A"') 2>err &&
    fail "a file that cannot take it all is no success"
same limited.txt old

# A grandchild that keeps the pipe open holds up nothing.
ends 0 -f FD=late.txt -- sh -c 'echo now >&"$FD"; sleep 50 & echo $! >sleeper'
same late.txt now
kill "$(cat sleeper)"

ends 2 -f FD=x
says err usage
