"""A random workflow whose results can be told beforehand."""
import json
import pathlib

TASK = str(pathlib.Path(__file__).with_name("task.sh").resolve())
KINDS = ["plain"] * 8 + ["flaky", "flaky", "leaves", "leaves", "stubborn", "prints", "fills", "fails", "hangs"]
ALWAYS_FAIL = ("fails", "hangs")


class Flow:
    """Tasks t0, t1, ..., the document, and the value that each must leave in out/ID (None: it leaves none)."""

    def __init__(self, random, n_tasks, slowness=1):
        self.random = random
        self.slowness = slowness
        self.tasks = []
        self.values = {}
        self.kinds = {}
        self.volatile = set()  # may run again though recorded as done: something before them may fail
        for number in range(n_tasks):
            self.tasks.append(self.make_task(number))

    def make_task(self, number):
        random, task_id = self.random, f"t{number}"
        kind = random.choice(KINDS)
        task = {"id": task_id, "after": []}
        read = []
        for parent in random.sample(range(number), min(number, random.choice([0, 1, 1, 2, 3]))):
            self.depend(task, f"t{parent}", read)
        value = number
        for parent in read:
            value = (value * 31 + self.values[parent]) % 1000003
        self.values[task_id] = None if kind in ALWAYS_FAIL else value
        self.kinds[task_id] = kind
        pause = random.choice([0, 0, 0.02, 0.1, 0.3]) * self.slowness
        task["command"] = [TASK, kind, str(number), str(pause), *read]
        task["retries"] = random.choice([1, 2, 3])
        if random.random() < 0.15:
            task["cores"] = 2
        if random.random() < 0.2:
            task["queue"] = random.choice(["narrow", "strict"])
        if random.random() < 0.1:
            task["stdout"] = f"out/{task_id}.text"
        if random.random() < 0.2 and kind not in ALWAYS_FAIL:
            task["outputs"] = [f"out/{task_id}"]
        if kind in ALWAYS_FAIL:
            task.update(may_fail=True, retries=random.choice([0, 1]))
        if kind == "hangs":
            task["timeout"] = 0.2
        return task

    def depend(self, task, parent, read):
        """Adds a dependency of whatever kind makes sense for such a parent."""
        if self.kinds[parent] in ALWAYS_FAIL:
            task["after"].append({"task": parent, "on": self.random.choice(["any", "notok"])})
            self.volatile.add(task["id"])
            return
        if self.random.random() < 0.1:
            task["after"].append({"task": parent, "on": "any"})
            self.volatile.add(task["id"])
            return
        if parent in self.volatile:
            self.volatile.add(task["id"])
        if any("outputs" in t and t["id"] == parent for t in self.tasks) and self.random.random() < 0.7:
            task.setdefault("inputs", []).append(f"out/{parent}")
        else:
            task["after"].append(parent)
        read.append(parent)

    def write(self, path):
        document = {"name": "chaos", "queues": {"narrow": 2, "strict": {"tokens": 1, "order": "strict"}},
                    "tasks": self.tasks}
        path.write_text(json.dumps(document, indent=1))
