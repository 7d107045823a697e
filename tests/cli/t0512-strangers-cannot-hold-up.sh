# Another user who connects to the launcher again and again is hung up on, and keeps it from nothing: here, from ending
# an mpirun that does not.
. "${BASH_SOURCE%/*}/lib.sh"

[ "$(id -u)" = 0 ] || { echo "NOT TRIED: only root can be another user"; exit 77; }
cat >mpirun <<'EOT'
#!/bin/sh
trap '' TERM
touch started
while :; do sleep 0.2; done
EOT
chmod +x mpirun
cat >knock.py <<'EOT'
import os, pathlib, socket, time

os.setgid(65534)
os.setuid(65534)
got = 0
while True:
    names = {line.split()[7] for line in pathlib.Path("/proc/net/unix").read_text().splitlines() if "@ganger.link." in line}
    for name in names:
        try:
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.settimeout(1)
                stranger.connect("\0" + name[1:])
                got += len(stranger.recv(100))
        except OSError:
            pass
    print("heard", got, "bytes", flush=True)
    time.sleep(0.02)
EOT

echo true >flow.txt
GANGER_MPIRUN=$PWD/mpirun timeout -s KILL "$limit" "$GANGER" run flow.txt -n 1 >out 2>err &
ganger=$!
for i in $(seq 300); do [ -e started ] && break; sleep 0.1; done
python3 knock.py >heard 2>&1 &
stranger=$!
sleep 0.5
begin=$(date +%s)
kill -TERM "$(pgrep -P $ganger)"
status=0
wait $ganger || status=$?
kill $stranger
[ $status = 143 ] || fail "exit status $status, not 143"
[ $(($(date +%s) - begin)) -lt 40 ] || fail "it took $(($(date +%s) - begin)) s"
says heard "heard 0 bytes"
! grep -v "^heard 0 bytes" heard || fail "a stranger was told something"
