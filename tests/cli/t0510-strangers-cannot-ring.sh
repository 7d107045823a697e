# Anybody on a host can send to its abstract sockets: ranks are neither woken nor kept from sleeping by that.
. "${BASH_SOURCE%/*}/lib.sh"

cat >knock.py <<'EOT'
import os, pathlib, socket, sys, time

ranks = [int(pid) for pid in sys.argv[1:]]


def doorbells(pid):
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    rows = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
    return [row[7][1:] for row in rows if len(row) > 7 and row[6] in inodes and row[7].startswith("@ganger.")]


def wakes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


stranger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
stranger.setblocking(False)
bells = {pid: doorbells(pid) for pid in ranks}
print("doorbells:", sum(len(names) for names in bells.values()), "of", len(ranks))
before = {pid: wakes(pid) for pid in ranks}
for i in range(300):
    for names in bells.values():
        for name in names:
            for letter in (b"", b"x", b"0123456", os.urandom(8), os.urandom(4000)):
                try:
                    stranger.sendto(letter, "\0" + name)
                except BlockingIOError:
                    pass
    time.sleep(0.001)
woken = {pid: wakes(pid) - before[pid] for pid in ranks}
print("woken too often:", [pid for pid in ranks if woken[pid] > 150], woken)
EOT

echo '{"tasks": [{"id": "long", "command": "until [ -e over ]; do sleep 0.1; done"}, {"id": "next", "command": "true", "after": ["long"]}]}' >flow.json
timeout -s KILL "$limit" "$GANGER" run flow.json -n 2 >out 2>err &
ganger=$!
until_started flow.run 1
ranks=$(pgrep -P "$(pgrep -P "$(pgrep -P $ganger)")")
sleep 0.5
python3 knock.py $ranks >knocks || fail "knock.py"
touch over
wait $ganger || fail "the run: exit status $?"
cat knocks
says knocks "doorbells: 3 of 3"
says knocks "woken too often: []"
