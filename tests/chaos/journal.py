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


def has_done(path):
    """Is any task done? Looks at the beginning alone."""
    try:
        with open(path, "rb") as file:
            return b'{"event":"done"' in file.read(65536)
    except OSError:
        return False


def done(path):
    """{task: (epoch, attempt)} of the first time that a task was recorded as done."""
    found = {}
    for epoch, line in lines(path):
        if line["event"] == "done":
            found.setdefault(line["task"], (epoch, line["attempt"]))
    return found
