"""Several hosts, made of namespaces of this machine (tests/hosts/hosts.sh), and what may befall them.

head has ranks 0 to 2, n1 has 3 and 4, n2 has 5 and 6.
"""
import os
import pathlib
import signal
import subprocess
import time

from processes import ThisMachine

HERE = pathlib.Path(__file__).resolve().parent
CANNOT = 77
N_WORKERS = 6
FENCE_S = 2
HOSTS = {"head": (1, 2), "n1": (3, 4), "n2": (5, 6)}
ROUND_S = 900


def play_round(folder, seed, n_tasks):
    """One workflow on hosts of its own; the exit status, CANNOT where none can be made."""
    words = ["bash", HERE / "on-hosts.sh", folder, "--hosts-round", "--seed", str(seed), "--tasks", str(n_tasks)]
    return subprocess.run(words, timeout=ROUND_S, check=False).returncode


class SeveralHosts(ThisMachine):
    quiet_s = 30  # those of a host that was cut off leave when its daemon notices

    def __init__(self, ganger, folder, mark):
        super().__init__(ganger, folder, mark)
        self.folder_of_hosts = pathlib.Path(os.environ["CHAOS_HOSTS"])
        self.environment["TMPDIR"] = "/tmp"  # each has its own
        self.cut_off = set()
        self.killed = set()
        self.ever_killed = set()

    def do(self, what, host):
        script = '. "$1" && hosts_attach "$2" && "hosts_$3" "$4"'
        words = ["bash", HERE.parent / "hosts" / "hosts.sh", self.folder_of_hosts, what, host]
        subprocess.run(["bash", "-c", script, *words], check=True, timeout=60)

    def cut(self, host):
        self.do("cut", host)
        self.cut_off.add(host)

    def heal(self, host):
        if host in self.cut_off:
            self.do("heal", host)
        self.cut_off.discard(host)

    def kill(self, host):
        self.do("kill", host)
        self.killed.add(host)
        self.ever_killed.add(host)

    def mend(self):
        """As an administrator does before a run is resumed."""
        for host in list(self.cut_off):
            self.heal(host)
        for host in self.killed:
            self.do("revive", host)
        self.killed.clear()

    def temporary_directories(self):
        """But for those of hosts that were killed: nobody was there to remove them."""
        return sorted(str(path) for host in HOSTS if host not in self.ever_killed
                      for path in (self.folder_of_hosts / "hosts" / host / "tmp").glob("ganger-*"))


# How often, what, of which hosts, and how many workers must be there. Several things befall one host only one after the
# other: nobody can fence the task of a worker that is stopped on a host that is cut off, and nobody is left to clean up
# behind the last worker of a host.
ALL, OTHERS = ("head", "n1", "n2"), ("n1", "n2")
MOVES = ((4, "kill worker", ALL, 2), (3, "kill leader", OTHERS, 2), (3, "stop worker", ALL, 2),
         (3, "cut for a moment", OTHERS, 1), (4, "cut for long", OTHERS, 1), (2, "kill host", OTHERS, 1),
         (1, "kill manager", ALL, 0))


class Mischief:
    """What befalls one epoch of a run."""

    def __init__(self, run, victims, rng, log):
        self.run = run
        self.place = run.place
        self.victims = victims
        self.rng = rng
        self.log = log
        self.to_undo = []  # (when, host, what)

    def workers_of(self, host):
        """{rank: pid}, of those that live."""
        _, ranks, _ = self.place.sort(self.run.child.pid)
        return {rank: ranks[rank] for rank in HOSTS[host] if rank in ranks}

    def undo(self, now_s):
        for entry in [entry for entry in self.to_undo if entry[0] <= now_s]:
            self.to_undo.remove(entry)
            entry[2]()

    def later(self, seconds, host, what):
        self.to_undo.append((time.monotonic() + seconds, host, what))

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.run.is_over():
            self.undo(time.monotonic())
            time.sleep(0.02)

    def choose_host(self, hosts, n_workers):
        busy = {host for _, host, _ in self.to_undo} | self.place.killed
        free = [host for host in hosts if host not in busy and len(self.workers_of(host)) >= n_workers]
        return self.rng.choice(free) if free else None

    def strike(self):
        """False: there is nobody left for such a move."""
        _, move, hosts, n_workers = self.rng.choices(MOVES, [move[0] for move in MOVES])[0]
        host = self.choose_host(hosts, n_workers)
        if host is None:
            return False
        if move == "kill manager":
            self.log.append(f"{time.monotonic():.2f} {move}")
            self.signal(self.victims(self.run)["manager"], signal.SIGKILL)
        elif move in ("kill worker", "kill leader", "stop worker"):
            self.strike_worker(move, host)
        else:
            self.strike_host(move, host)
        return True

    def strike_worker(self, move, host):
        workers = self.workers_of(host)
        rank = min(workers, default=None) if move == "kill leader" else self.rng.choice(sorted(workers) or [None])
        pids = [workers[rank]] if rank else []
        self.log.append(f"{time.monotonic():.2f} {move} {rank} of {host}")
        if move != "stop worker":
            self.signal(pids, signal.SIGKILL)
            return
        self.signal(pids, signal.SIGSTOP)
        self.later(self.rng.uniform(0.1, 3 * FENCE_S), host, lambda: self.signal(pids, signal.SIGCONT))

    def strike_host(self, move, host):
        self.log.append(f"{time.monotonic():.2f} {move} {host}")
        if move == "kill host":
            self.place.kill(host)
            return
        self.place.cut(host)
        least, most = (0.1, FENCE_S) if move == "cut for a moment" else (FENCE_S, 4 * FENCE_S)
        self.later(self.rng.uniform(least, most), host, lambda: self.place.heal(host))

    @staticmethod
    def signal(pids, number):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def play(self):
        for _ in range(self.rng.choice([2, 4, 8])):
            self.wait(self.rng.expovariate(1))
            while not self.run.is_over() and not self.strike():
                self.wait(0.1)
        while self.to_undo and not self.run.is_over():
            self.wait(0.1)
        self.undo(float("inf"))
