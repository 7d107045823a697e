# From a workflow as `ganger import` writes it and the journal of its run: prints the makespan in seconds, first start
# to last end, and says what was not as it must be: each task done once, none started before its parents' ends.
#   awk -f replay.awk FLOW.jsonl RUN/journal.jsonl
# Ids with quotes are not for it.

function text_of(line, key) {
    if (!match(line, "\"" key "\":\"[^\"]*\""))
        return ""
    return substr(line, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
}

function number_of(line, key) {
    if (!match(line, "\"" key "\":[0-9.e+-]+"))
        return 0
    return substr(line, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0
}

function object(what) {
    print what
    n_wrong++
}

FNR == NR && /^\{"id":/ {
    id = text_of($0, "id")
    n_tasks++
    parents[id] = match($0, /"after":\["[^]]*\]/) ? substr($0, RSTART + 10, RLENGTH - 12) : ""
}
FNR == NR { next }

/"event":"(failed|retried|skipped|cancelled)"/ { object("did not end well: " $0) }
/"event":"done"/ {
    id = text_of($0, "task")
    if (!(id in parents))
        object(id " is no task of the workflow")
    if (id in end)
        object(id " was done twice")
    start[id] = number_of($0, "start")
    end[id] = number_of($0, "end")
    if (!n_done++ || start[id] < first)
        first = start[id]
    if (end[id] > last)
        last = end[id]
}

END {
    for (id in parents) {
        if (!(id in end))
            object(id " was not done")
        n = split(parents[id], names, "\",\"")
        for (i = 1; i <= n; i++)
            if (!(names[i] in end) || start[id] < end[names[i]])
                object(id " started before its parent " names[i] " had ended")
    }
    if (n_tasks == 0)
        object("no task in the workflow")
    if (!n_wrong)
        printf "%.3f\n", last - first
    exit n_wrong > 0
}
