"""What a journal says, read by other means than ganger's."""
import json


def lines(path):
    """(epoch, line) of each whole line."""
    epoch = 0
    try:
        text = path.read_bytes()
    except OSError:
        return
    for raw in text.split(b"\n"):
        try:
            line = json.loads(raw)
        except ValueError:
            continue
        if line.get("event") == "run":
            epoch = line["epoch"]
        yield epoch, line


def has_begun(path, epoch):
    """Has a task been started in that epoch?"""
    return any(number == epoch and line["event"] == "start" for number, line in lines(path))


def done(path):
    """{task: (epoch, attempt)} of the first time that a task was recorded as done."""
    found = {}
    for epoch, line in lines(path):
        if line["event"] == "done":
            found.setdefault(line["task"], (epoch, line["attempt"]))
    return found


def ends(path):
    """(task, when it ended) of each record of a task that is done, functions among them."""
    for _, line in lines(path):
        if line["event"] == "done":
            yield line["task"], line["end"]
        elif line["event"] == "calls":
            for task, _, _, _, start, run, *_ in line["calls"]:
                yield task, line["start"] + (start + run) * 1e-9
