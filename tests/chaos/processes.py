"""Where a run lives: how ganger is started there, and which processes belong to it.

This one is this machine. A place of several hosts offers the same: start, ranks, tasks, everybody, close.
"""
import os
import pathlib
import subprocess


def environment_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def parent_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def is_zombie(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (OSError, IndexError):
        return True


def describe(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return f"{pid} (parent {parent_of(pid)}, {state}): {words}"
    except OSError:
        return f"{pid}: gone"


class ThisMachine:
    quiet_s = 10  # so long all may take to be gone when a run is over

    def __init__(self, ganger, folder, mark):
        self.ganger = ganger
        self.folder = folder
        self.mark = f"CHAOS_MARK={mark}".encode()
        self.tmp = folder / "tmp"
        self.tmp.mkdir(parents=True, exist_ok=True)
        self.environment = dict(os.environ, CHAOS_MARK=mark, TMPDIR=str(self.tmp))

    def start(self, words, cwd, log):
        """Starts `ganger WORDS`; what it prints is added to the file `log`."""
        with open(log, "ab") as file:
            # Nicer than we are: a run that fills the machine would keep us from striking while it lasts.
            return subprocess.Popen(["nice", "-n", "10", self.ganger, *words], cwd=cwd, env=self.environment, stdin=subprocess.DEVNULL,
                                    stdout=file, stderr=file, start_new_session=True)

    def everybody(self):
        """{pid: environment} of all that was started, however far it has run away."""
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                environment = environment_of(entry)
                if self.mark in environment and not is_zombie(entry):
                    found[int(entry)] = environment
        return found

    def sort(self, launcher):
        """(mpirun or None, {rank: pid}, [task pids]) of the run that `launcher` started, as far as they live."""
        everybody = self.everybody()
        mpirun = next((pid for pid in everybody if parent_of(pid) == launcher), None)
        candidates, tasks = {}, []
        for pid, environment in everybody.items():
            if any(word.startswith(b"GANGER_TASK_ID=") for word in environment):
                tasks.append(pid)
                continue
            for word in environment:
                if word.startswith(b"OMPI_COMM_WORLD_RANK="):
                    candidates[pid] = int(word.split(b"=")[1])
        # A child looks like its worker until it has executed its command.
        ranks = {rank: pid for pid, rank in candidates.items() if parent_of(pid) not in candidates}
        return mpirun, ranks, tasks

    def temporary_directories(self):
        return sorted(path.name for path in self.tmp.glob("ganger-*"))
