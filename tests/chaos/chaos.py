"""See chaos.sh."""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import disk
import hosts
import journal
from flow import Flow
from processes import ThisMachine, describe

STEP_S = 90  # nothing takes longer, once it is left alone
EPOCHS_MAX = 40


class Failure(Exception):
    pass


def say(text):
    print(text, flush=True)


def kill(pid, number):
    try:
        os.kill(pid, number)
    except (ProcessLookupError, TypeError):
        pass


def wait_until(condition, what, limit_s=STEP_S):
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"not within {limit_s} s: {what}")
        time.sleep(0.05)


def prepare_folder(folder, flow):
    for name in ("out", "lock"):
        (folder / name).mkdir(parents=True)
    flow.write(folder / "flow.json")


class Run:
    """One workflow, from its first epoch to its last."""

    def __init__(self, place, folder, n_workers, more=()):
        self.place = place
        self.folder = folder
        self.words = ["run", "flow.json", "-n", str(n_workers), "--grace", "1", *more]
        self.journal = folder / "flow.run" / "journal.jsonl"
        self.log = folder / "ganger.log"
        self.child = None
        self.stopped = []  # pids, to be continued some time

    def begin(self):
        resume = ["--resume"] if self.journal.exists() and self.journal.stat().st_size > 0 else []
        self.child = self.place.start([*self.words, *resume], self.folder, self.log)

    def is_over(self):
        return self.child.poll() is not None

    def wait(self):
        """Until the launcher has ended; its status, as a shell would say it."""
        self.let_go()
        try:
            status = self.child.wait(STEP_S)
        except subprocess.TimeoutExpired:
            raise Failure(f"ganger does not end within {STEP_S} s")
        return 128 - status if status < 0 else status

    def let_go(self):
        for pid in self.stopped:
            kill(pid, signal.SIGCONT)
        self.stopped = []

    def is_refused(self, log_from):
        """Was the last epoch not begun because the one before still lives?"""
        return b"another run" in self.log.read_bytes()[log_from:]

    def go_on(self, disturb=None):
        """One epoch; `disturb` is called while it runs. Its exit status. Whoever is still there is waited for."""
        end = time.monotonic() + STEP_S
        while True:
            log_from = self.log.stat().st_size if self.log.exists() else 0
            self.begin()
            if disturb is not None:
                disturb(self)
            status = self.wait()
            if status != 2 or not self.is_refused(log_from):
                return status
            if time.monotonic() > end:
                raise Failure("the run of the epoch before does not go away")
            time.sleep(0.1)

    def end_all(self):
        for pid in self.place.everybody():
            kill(pid, signal.SIGKILL)


# ---- what is done to a run


def victims(run):
    mpirun, ranks, tasks = run.place.sort(run.child.pid)
    return {"launcher": [run.child.pid], "mpirun": [mpirun] if mpirun else [],
            "manager": [ranks[0]] if 0 in ranks else [],
            "worker": [pid for rank, pid in ranks.items() if rank > 0], "task": tasks}


BLOWS = (  # how often, whom, with what
    (6, "task", "KILL"), (3, "task", "TERM"), (3, "task", "pause"), (8, "worker", "KILL"), (4, "worker", "pause"),
    (1, "worker", "TERM"), (3, "manager", "KILL"), (3, "manager", "pause"), (1, "manager", "TERM"),
    (3, "mpirun", "KILL"), (2, "mpirun", "pause"), (1, "mpirun", "TERM"), (2, "launcher", "KILL"),
    (2, "launcher", "pause"), (1, "launcher", "TERM"), (1, "launcher", "INT"), (1, "launcher", "USR1"),
    (2, "launcher", "USR2"), (2, "frozen worker", "mpirun KILL"), (1, "frozen worker", "manager KILL"),
)


def strike(run, rng, log):
    """False: nobody of that kind is there."""
    _, whom, how = rng.choices(BLOWS, [blow[0] for blow in BLOWS])[0]
    there = victims(run)
    if whom == "frozen worker":  # and the task that it runs goes on, without anybody
        for pid in there["worker"]:
            kill(pid, signal.SIGSTOP)
        run.stopped += there["worker"]
        whom, how = how.split()
    pids = there[whom]
    if not pids:
        return False
    pid = rng.choice(sorted(pids))
    log.append(f"{time.monotonic():.2f} {how} {whom} {describe(pid)}")
    if how == "pause":
        kill(pid, signal.SIGSTOP)
        run.stopped.append(pid)
    else:
        kill(pid, getattr(signal, "SIG" + how))
    return True


def disturber(rng, log):
    def disturb(run):
        for _ in range(rng.choice([1, 2, 4, 8])):
            end = time.monotonic() + rng.choice([0.05, 0.3, 0.6]) * rng.expovariate(1)
            while time.monotonic() < end and not run.is_over():
                time.sleep(0.01)
            if rng.random() < 0.5:
                run.let_go()
            while not run.is_over() and not strike(run, rng, log):
                time.sleep(0.01)
        if rng.random() < 0.5:  # some stay as they are when the next epoch begins
            time.sleep(rng.random())
            run.let_go()
    return disturb


# ---- what must be true afterwards


def check_results(folder, flow):
    for task_id, value in flow.values.items():
        path = folder / "out" / task_id
        found = path.read_text().strip() if path.exists() else None
        wanted = None if value is None else str(value)
        if found != wanted:
            raise Failure(f"{task_id} left {found}, not {wanted}")


def check_log(folder, run, flow):
    """No task ran twice at a time, nor again after it was recorded as done."""
    done = journal.done(run.journal)
    for line in (folder / "log").read_text().splitlines():
        word, task_id, epoch, attempt = line.split()[:4]
        if word == "twice":
            raise Failure(f"{task_id} (epoch {epoch}, attempt {attempt}) began while an earlier attempt still lived")
        if word == "start" and task_id not in flow.volatile and task_id in done and \
                (int(epoch), int(attempt)) > done[task_id]:
            raise Failure(f"{task_id} is recorded as done in epoch {done[task_id][0]}, attempt {done[task_id][1]}, and "
                          f"ran again in epoch {epoch}, attempt {attempt}")


def check_nothing_left(place):
    wait_until(lambda: not place.everybody(), "all processes of the run gone", place.quiet_s)
    if place.temporary_directories():
        raise Failure(f"temporary directories are left: {place.temporary_directories()}")


def check_verified(place, folder, what="flow.json"):
    words = [place.ganger, "verify", str(what)]
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=STEP_S, check=False)
    if result.returncode != 0:
        raise Failure(f"verify: status {result.returncode}: {result.stdout}{result.stderr}")


def check_all(place, folder, run, flow):
    check_results(folder, flow)
    check_log(folder, run, flow)
    check_nothing_left(place)
    check_verified(place, folder)


# ---- the modes


def undisturbed(place, folder, flow, n_workers, more=()):
    prepare_folder(folder, flow)
    run = Run(place, folder, n_workers, more)
    status = run.go_on()
    if status != 0:
        raise Failure(f"the undisturbed run ended with {status}")
    check_all(place, folder, run, flow)


def until_done(place, folder, run, flow, log, go_on):
    """Calls go_on(EPOCH), which gives an epoch's exit status, until the run is done; checks it; how many epochs that
    took. The log of what was done to it is left beside it."""
    try:
        for epoch in range(EPOCHS_MAX):
            status = go_on(epoch)
            log.append(f"{time.monotonic():.2f} ended with {status}")
            if status == 0:
                break
        else:
            raise Failure(f"not done after {EPOCHS_MAX} epochs")
        check_all(place, folder, run, flow)
    finally:
        (folder / "blows").write_text("\n".join(log) + "\n")
    return epoch + 1


def one_round(place, folder, seed, n_tasks):
    rng = random.Random(seed)
    flow = Flow(rng, n_tasks)
    n_workers = rng.choice([1, 2, 3, 4, 6])
    undisturbed(place, folder / "calm", flow, n_workers + 1)  # there is a task of two cores
    wild = folder / "wild"
    prepare_folder(wild, flow)
    run, log = Run(place, wild, n_workers + 1), []
    place.runs.append(run)
    n_wild = rng.choice([2, 4, 8])

    def go_on(epoch):
        log.append(f"{time.monotonic():.2f} begins")
        return run.go_on(disturber(rng, log) if epoch < n_wild else None)

    n_epochs = until_done(place, wild, run, flow, log, go_on)
    return n_epochs, sum(" begins" not in line and " ended" not in line for line in log)


def chaos(place, folder, options):
    end, n_rounds, n_epochs, n_blows = time.monotonic() + options.seconds, 0, 0, 0
    while n_rounds == 0 or time.monotonic() < end:
        seed = options.seed + n_rounds
        here = folder / f"seed-{seed}"
        begin = time.monotonic()
        epochs, blows = one_round(place, here, seed, options.tasks)
        say(f"seed {seed}: {epochs} epochs, {blows} blows, {time.monotonic() - begin:.0f} s")
        if not options.keep:
            shutil.rmtree(here)
        n_rounds, n_epochs, n_blows = n_rounds + 1, n_epochs + epochs, n_blows + blows
    say(f"chaos: {n_rounds} workflows in {n_epochs} epochs with {n_blows} blows: nothing lost, nothing left")


SHORT_TASKS = 20000
WORKERS = 8
KILLS_PER_RUN = 5  # some must stay


SHORT_FUNCTIONS = 100000
NAPS = 1000  # functions of 10 ms among them


def write_commands(path):
    """How many tasks there are."""
    path.write_text('{"tasks": [{"id": "t{i}", "for": {"i": "1-%d"}, "command": ["true"]}]}' % SHORT_TASKS)
    return SHORT_TASKS


def write_functions(path):
    """The same, of functions of tests/functions/program.c; "sum" has what all of them returned."""
    path.write_text(json.dumps({"tasks": [
        *({"id": f"e{i}", "function": "echo", "input": i} for i in range(SHORT_FUNCTIONS)),
        {"id": "n{i}", "for": {"i": f"1-{NAPS}"}, "function": "nap", "input": 10},
        {"id": "sum", "function": "sum", "after": ["e*"], "keep": True}]}))
    return SHORT_FUNCTIONS + NAPS + 1


def check_sum(run):
    wanted = sum(range(SHORT_FUNCTIONS))
    if f"sum: done {wanted}\n" not in run.log.read_text():
        raise Failure("the sum of what the functions returned is wrong")


def makespan(run):
    ends = list(journal.ends(run.journal))
    return max((end for _, end in ends), default=0), len(ends), len({task for task, _ in ends})


def short_run(place, folder, n_kills, rng, write):
    """The makespan of a run of short tasks of whose workers so many are killed."""
    folder.mkdir(parents=True)
    n = write(folder / "flow.json")
    run = Run(place, folder, WORKERS, ["--quiet"])
    place.runs.append(run)
    run.begin()
    wait_until(lambda: run.is_over() or any(journal.ends(run.journal)),
               "a task is done") # before that a death is one of the start, and ends the run
    for _ in range(n_kills):
        time.sleep(rng.random() * (0.8 if write == write_commands else 0.4))
        workers = victims(run)["worker"]
        if run.is_over() or not workers:
            break
        kill(rng.choice(sorted(workers)), signal.SIGKILL)
    status = run.wait()
    length, n_done, n_tasks = makespan(run)
    lost = sum(line["event"] == "lost" for _, line in journal.lines(run.journal))
    if status != 0 or n_done != n or n_tasks != n:
        raise Failure(f"status {status}, {n_tasks} tasks of {n} done, {n_done} records of it")
    if write == write_functions:
        check_sum(run)
    check_nothing_left(place)
    check_verified(place, folder)
    return length, lost


def worker_kills(place, folder, options):
    rng, n_kills, n_runs, worst = random.Random(options.seed), 0, 0, 0
    write = write_functions if options.function_kills else write_commands
    n_wanted = options.function_kills or options.worker_kills
    calm, _ = short_run(place, folder / "calm", 0, rng, write)
    say(f"undisturbed: {calm:.1f} s")
    while n_kills < n_wanted:
        if n_runs > n_wanted:
            raise Failure(f"only {n_kills} kills hit in {n_runs} runs: they are over too soon")
        here = folder / f"run-{n_runs}"
        length, lost = short_run(place, here, min(KILLS_PER_RUN, n_wanted - n_kills), rng, write)
        if length > 1.5 * calm + 2 * lost:
            raise Failure(f"{lost} kills made it {length:.1f} s instead of {calm:.1f} s")
        worst = max(worst, (length - calm) / max(lost, 1))
        n_kills, n_runs = n_kills + lost, n_runs + 1
        say(f"{n_kills} kills, the last {lost} in a run of {length:.1f} s")
        shutil.rmtree(here)
    say(f"worker kills: {n_kills} in {n_runs} runs: all done, each recorded once; at worst "
        f"{worst:.2f} s longer for each kill")


STRUCK_EPOCHS_MAX = 12  # of a workflow: what may fail is tried again in each, and a slow machine gets no further


def deaths(place, folder, options):
    rng, n_deaths, n_runs = random.Random(options.seed), 0, 0
    while n_deaths < options.deaths:
        here = folder / f"run-{n_runs}"
        flow = Flow(rng, options.tasks)
        prepare_folder(here, flow)
        run = Run(place, here, 3, ["--quiet"])
        place.runs.append(run)

        def strike_at_the_top(run):
            nonlocal n_deaths
            wait_until(lambda: run.is_over() or victims(run)["manager"], "a manager is there")
            time.sleep(rng.random() * 1.5)
            pids = victims(run)[rng.choice(["manager", "mpirun"])]
            if pids and not run.is_over():
                kill(pids[0], signal.SIGKILL)
                n_deaths += 1

        status = 3
        for epoch in range(EPOCHS_MAX):
            may_strike = epoch < STRUCK_EPOCHS_MAX and n_deaths < options.deaths
            status = run.go_on(strike_at_the_top if may_strike else None)
            if status == 0:
                break
        if status != 0:
            raise Failure(f"not done after {EPOCHS_MAX} epochs")
        check_results(here, flow)
        check_log(here, run, flow)
        check_nothing_left(place)
        check_verified(place, here)
        n_runs += 1
        say(f"{n_deaths} deaths, {n_runs} workflows done")
        shutil.rmtree(here)
    say(f"deaths: {n_deaths} of manager or mpirun over {n_runs} workflows: what was recorded never ran again")


def said_why(run, log_from):
    """An epoch that could not go on for the disk must say so, in words of the system."""
    text = run.log.read_bytes()[log_from:]
    return any(word in text for word in (b"No space left", b"File too large", b"cannot be kept", b"cannot be written"))


def disk_epoch(run, small, rng, must_fill):
    """One epoch, in which the disk is filled if it lasts long enough. (its status, was it filled?)"""
    filled = False

    def fill(run):
        nonlocal filled
        if not must_fill:
            return
        wait_until(lambda: run.is_over() or run.has_begun(), "the journal is begun")
        disk.wait_a_moment(run, rng.random() * 1.5)
        if not run.is_over():
            small.fill(run)
            filled = True

    log_from = run.log.stat().st_size if run.log.exists() else 0
    status = run.go_on(fill)
    small.empty()
    if filled and status not in (0, 1, 3):
        raise Failure(f"status {status} after the disk was full")
    if filled and status == 3 and not said_why(run, log_from):
        raise Failure("the disk was full, and the run did not say so")
    return status, filled


class DiskRun(Run):
    """A run whose directory is on the small disk; all else is elsewhere."""

    def __init__(self, place, folder, small, n_workers):
        super().__init__(place, folder, n_workers, ["--quiet", "--run-dir", str(small.folder / "flow.run")])
        self.journal = small.folder / "flow.run" / "journal.jsonl"

    def has_begun(self):
        return self.journal.exists() and self.journal.stat().st_size > 0


def full_disks(place, folder, options):
    def one_round(number, rng):
        here = folder / f"run-{number}"
        flow = Flow(rng, options.tasks)
        prepare_folder(here, flow)
        small = disk.SmallDisk(here / "small") if disk.IN_NAMESPACE in os.environ else \
            disk.LimitedFiles(here / "small", lambda run: victims(run)["manager"] + victims(run)["worker"])
        run, n_filled = DiskRun(place, here, small, 3), 0
        place.runs.append(run)
        for epoch in range(EPOCHS_MAX):
            status, filled = disk_epoch(run, small, rng, epoch < 3)
            n_filled += filled
            if status == 0:
                break
        else:
            raise Failure(f"not done after {EPOCHS_MAX} epochs")
        check_results(here, flow)
        check_log(here, run, flow)
        check_nothing_left(place)
        check_verified(place, here, run.journal.parent)
        say(f"workflow {number}: {epoch + 1} epochs, the disk was full in {n_filled}")
        small.close()
        shutil.rmtree(here)
        return n_filled

    say("the run directory is on " + ("a file system of 16 MiB" if disk.IN_NAMESPACE in os.environ else
                                      "this disk (no mount namespace here): files may not grow instead"))
    n, n_runs = disk.rounds(options.seed, options.disk, one_round)
    if n < options.disk:
        raise Failure(f"only {n} runs of {n_runs} lasted long enough for the disk to be filled")
    say(f"disk: full {n} times over {n_runs} workflows: each time it was said, and resumed; nothing was lost")


WILD_EPOCHS = 3  # on hosts; one ends early when all workers are lost, say


def hosts_round(place, folder, options):
    """One workflow over several hosts; we are on the first of them."""
    rng, more = random.Random(options.seed), ["--fence", str(hosts.FENCE_S)]
    flow = Flow(rng, options.tasks, slowness=6)
    undisturbed(place, folder / "calm", flow, hosts.N_WORKERS, more)
    wild = folder / "wild"
    prepare_folder(wild, flow)
    run, log = Run(place, wild, hosts.N_WORKERS, more), []
    place.runs.append(run)

    def disturb(run):
        epoch = 1 + max((epoch for epoch, _ in journal.lines(run.journal)), default=0)
        wait_until(lambda: run.is_over() or journal.has_begun(run.journal, epoch), "a task has started")
        hosts.Mischief(run, victims, rng, log).play()

    def go_on(epoch):
        place.mend()
        return run.go_on(disturb if epoch < WILD_EPOCHS else None)

    n_epochs = until_done(place, wild, run, flow, log, go_on)
    say(f"seed {options.seed}: {n_epochs} epochs, {len(log) - n_epochs} blows, "
        f"{sum(line['event'] == 'lost' for _, line in journal.lines(run.journal))} workers lost")


def chaos_on_hosts(_, folder, options):
    end, n = time.monotonic() + options.hosts, 0
    while n == 0 or time.monotonic() < end:
        here = folder / f"seed-{options.seed + n}"
        here.mkdir()
        status = hosts.play_round(here, options.seed + n, options.tasks)
        if status == hosts.CANNOT:
            shutil.rmtree(folder)
            sys.exit(status)  # it has said so
        if status != 0:
            raise Failure(f"seed {options.seed + n}: see above")
        if not options.keep:
            shutil.rmtree(here)
        n += 1
    say(f"chaos on hosts: {n} workflows: nothing lost, nothing twice, nothing left")


def read_options():
    parser = argparse.ArgumentParser(prog="chaos.sh")
    parser.add_argument("--seconds", type=float, default=10, help="how long new workflows are begun")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--tasks", type=int, default=60, help="of each workflow")
    parser.add_argument("--keep", action="store_true", help="keep what rounds that went well left")
    parser.add_argument("--worker-kills", type=int, metavar="N")
    parser.add_argument("--function-kills", type=int, metavar="N")
    parser.add_argument("--deaths", type=int, metavar="N")
    parser.add_argument("--disk", type=int, metavar="N")
    parser.add_argument("--hosts", type=float, metavar="SECONDS")
    parser.add_argument("--hosts-round", action="store_true", help="one of --hosts, as the first of them")
    return parser.parse_args()


def choose_mode(options):
    if options.worker_kills or options.function_kills:
        return worker_kills
    for wanted, mode in ((options.deaths, deaths), (options.disk, full_disks), (options.hosts, chaos_on_hosts),
                         (options.hosts_round, hosts_round)):
        if wanted:
            return mode
    return chaos


def main():
    options = read_options()
    if options.disk:
        disk.enter_namespace()
    folder = pathlib.Path(os.environ.get("CHAOS_DIR") or tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    make_place = hosts.SeveralHosts if options.hosts_round else ThisMachine
    place = make_place(os.path.abspath(os.environ["FUNCTIONS" if options.function_kills else "GANGER"]), folder,
                       f"{options.seed}-{os.getpid()}")
    place.runs = []
    mode = choose_mode(options)
    say(f"chaos: seed {options.seed}, in {folder}")
    try:
        mode(place, folder, options)
    except Failure as failure:
        say(f"FAILED (seed {options.seed}): {failure}")
        for pid in place.everybody():
            say(f"  alive: {describe(pid)}")
        say(f"all of it is in {folder}")
        return 1
    finally:
        for run in place.runs:
            run.let_go()
            run.end_all()
    if not options.keep and not options.hosts_round:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
