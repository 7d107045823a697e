# On one host no rank listens on the network, and what is left of it is mpirun's own.
. "${BASH_SOURCE%/*}/lib.sh"

cat >listening.py <<'EOT'
import os, pathlib, sys


def listening():
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                yield fields[9]


sockets = set(listening())
for pid in sys.argv[1:]:
    held = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    print(pid, sum(f"socket:[{inode}]" in held for inode in sockets))
EOT

echo 'until [ -e over ]; do sleep 0.1; done; ls -l /proc/self/fd' >flow.txt
timeout -s KILL "$limit" "$GANGER" run flow.txt -n 2 >out 2>err &
ganger=$!
until_started flow.run 1
ranks=$(pgrep -P "$(pgrep -P "$(pgrep -P $ganger)")")
python3 listening.py $ranks >sockets || fail "listening.py"
touch over
wait $ganger || fail "the run: exit status $?"
cat sockets
[ "$(wc -l <sockets)" = 3 ] || fail "not 3 ranks"
! grep -v ' 0$' sockets || fail "ranks listen"

# Where memory cannot be shared, ranks need the network.
cat >tight.sh <<'EOT'
mount -t tmpfs -o size=64k none /dev/shm && exec "$GANGER" run more.txt -n 2 --quiet
EOT
seq 20 | sed 's/^/echo /' >more.txt
if unshare --mount true 2>/dev/null; then
    timeout -s KILL "$limit" unshare --mount sh tight.sh >out 2>err || fail "without shared memory"
else
    echo "NOT TRIED: a run without shared memory (no mount namespace may be made here)"
fi
