"""The disk of the run directory is filled at any moment, and emptied again: the mode --disk.

The run directory lies on a small file system of its own, in memory, in a mount namespace that only we and our children
see. Where that is not allowed, files may not grow beyond a limit instead: the system refuses to write all the same.
"""
import errno
import os
import random
import resource
import shutil
import subprocess
import sys
import time

SMALL_BYTES = 16 << 20
IN_NAMESPACE = "CHAOS_IN_NAMESPACE"


def can_mount():
    """May we have a mount namespace?"""
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "mount -t tmpfs none /mnt"]
    return shutil.which("unshare") is not None and \
        subprocess.run(words, capture_output=True, check=False).returncode == 0


def enter_namespace():
    """Starts this program again in a mount namespace of its own, if there may be one."""
    if IN_NAMESPACE in os.environ or not can_mount():
        return
    os.environ[IN_NAMESPACE] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])


class SmallDisk:
    """A folder on a file system of 16 MiB."""

    def __init__(self, folder):
        self.folder = folder
        self.filler = folder / "filler"
        folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES},mode=700", "chaos", str(folder)], check=True)

    def fill(self, _run):
        with open(self.filler, "ab", buffering=0) as file:
            try:
                for size in (65536, 1):
                    while True:
                        file.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        for size in (4096, 1):
            try:
                with open(self.filler, "ab", buffering=0) as file:
                    while True:
                        file.write(bytes(size))
            except OSError:
                pass

    def empty(self):
        self.filler.unlink(missing_ok=True)

    def close(self):
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False)


class LimitedFiles:
    """A folder in which no file of the run may grow any more, once it is `filled`: of the limit for each process."""

    def __init__(self, folder, pids_of):
        self.folder = folder
        self.pids_of = pids_of
        folder.mkdir(parents=True)

    def fill(self, run):
        for pid in self.pids_of(run):
            try:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            except (ProcessLookupError, PermissionError):
                pass

    def empty(self):
        pass  # the next epoch's processes have no limit

    def close(self):
        pass


def wait_a_moment(run, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not run.is_over():
        time.sleep(0.01)


def rounds(seed, n_fills, one_round):
    """Calls one_round(number, random) -> how often it filled the disk, until that was n_fills times in all."""
    rng, n, number = random.Random(seed), 0, 0
    while n < n_fills:
        n += one_round(number, rng)
        number += 1
        if number > 10 * n_fills:
            return n, number
    return n, number
