"""Names the error paths that no test has run: uncovered.py LINES.JSON (of gcovr), from the top of the source.

An error path is a statement that says what went wrong: error_set..., refuse..., log_warning. Those that say that the
system failed in a way that nobody can bring about (out of memory, a broken kernel) are few, and stay in the list.
"""
import collections
import json
import pathlib
import re
import sys

SAYS = re.compile(r"\b(error_set\w*|error_prefix|refuse\w*|log_warning)\s*\(")
DEFINES = re.compile(r"^(static |int |void |_Noreturn |#)")


def counts(entry):
    return {line["line_number"]: line["count"] for line in entry["lines"] if not line.get("gcovr/noncode")}


def statement_count(count_of, number, last):
    """How often the statement that begins there ran: its first line that the compiler counts."""
    for line in range(number, min(number + 4, last + 1)):
        if line in count_of:
            return count_of[line]
    return None


def main():
    report = json.loads(pathlib.Path(sys.argv[1]).read_text())
    missed = collections.defaultdict(list)
    n_all = 0
    for entry in report["files"]:
        text = pathlib.Path(entry["file"]).read_text().splitlines()
        count_of = counts(entry)
        for number, line in enumerate(text, 1):
            if not SAYS.search(line) or DEFINES.match(line):
                continue
            count = statement_count(count_of, number, len(text))
            n_all += count is not None
            if count == 0:
                missed[entry["file"]].append((number, line.strip()))
    n_missed = sum(map(len, missed.values()))
    print(f"\nError paths: {n_all}, without a test: {n_missed}")
    for file in sorted(missed):
        for number, line in missed[file]:
            print(f"  {file}:{number}: {line}")


if __name__ == "__main__":
    main()
