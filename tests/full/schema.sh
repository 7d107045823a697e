#!/bin/sh
# docs/workflow.schema.json against the parser, by a validator that knows nothing of ganger: what ganger accepts is
# valid, and what it refuses for its structure is not. A folder of tests/bad-workflows whose fault no schema can tell
# (a cycle, an id that stands twice, a broken file) holds a file `beyond-schema`; its input must be valid, or no JSON.
set -eu
cd "$(dirname "$0")/../.."
python3 - <<'EOF'
import json, pathlib, re, sys
import jsonschema

schema = json.loads(pathlib.Path("docs/workflow.schema.json").read_text())
jsonschema.Draft7Validator.check_schema(schema)
parts = {name: jsonschema.Draft7Validator({"$ref": "#/$defs/" + name, "$defs": schema["$defs"]})
         for name in ("header", "task")}
document = jsonschema.Draft7Validator(schema)


def is_task(value):
    return isinstance(value, dict) and ("id" in value or "command" in value) and "tasks" not in value


def faults_of_lines(text):
    values = [json.loads(line) for line in text.split("\n") if line.strip()]
    for i, value in enumerate(values):
        kind = "header" if i == 0 and isinstance(value, dict) and not is_task(value) else "task"
        yield from parts[kind].iter_errors(value)


def faults(data):
    """The schema's objections to a workflow; None when it is no JSON at all."""
    try:
        text = data.decode()
        try:
            value = json.loads(text)
        except ValueError:
            return [fault.message for fault in faults_of_lines(text)]
        return [fault.message for fault in (parts["task"] if is_task(value) else document).iter_errors(value)]
    except ValueError:
        return None


def good():
    yield from ((path, path.read_bytes()) for path in sorted(pathlib.Path("tests/good-workflows").iterdir()))
    yield from ((path, path.read_bytes()) for path in sorted(pathlib.Path("examples").glob("*/flow.json*")))
    text = pathlib.Path("docs/workflow-format.md").read_text()
    for i, (kind, body) in enumerate(re.findall(r"```(jsonl?)\n(.*?)\n```", text, re.S)):
        yield "docs/workflow-format.md, example %d" % (i + 1), body.encode()


wrong = 0
n_good = n_bad = 0
for name, data in good():
    found = faults(data)
    n_good += 1
    if found is None or found:
        print("%s: ganger accepts it, and the schema does not: %s" % (name, found))
        wrong += 1
for folder in sorted(path for path in pathlib.Path("tests/bad-workflows").iterdir() if path.is_dir()):
    found = faults((folder / "input").read_bytes())
    is_beyond = (folder / "beyond-schema").exists()
    n_bad += not is_beyond
    if not is_beyond and not found:
        print("%s: ganger refuses it, and the schema does not" % folder)
        wrong += 1
    if is_beyond and found:
        print("%s: the schema does tell its fault (%s): remove beyond-schema" % (folder, found[0]))
        wrong += 1
print("%d good and %d bad workflows compared" % (n_good, n_bad))
sys.exit(1 if wrong or n_good < 10 or n_bad < 100 else 0)
EOF
