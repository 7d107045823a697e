# What would never be started in jobs of a given time, before anything is submitted.
. "${BASH_SOURCE%/*}/lib.sh"

cat >flow.json <<'FLOW'
{"tasks": [
    {"id": "a", "command": "true", "cost": "10m"},
    {"id": "b", "command": "true", "cost": "40m", "after": "a"},
    {"id": "c", "command": "true", "timeout": "2h"},
    {"id": "d", "command": "true", "cost": "5h", "end_signal": "USR1@60"},
    {"id": "e", "command": "true", "cost": "10h", "timeout": "10m"},
    {"id": "f", "command": "true"}
]}
FLOW
g 1 check flow.json --node 1x4 --walltime 30
says out "in jobs of 1800 s, of which tasks have 1759 s"
says out "1 task would never be started: their cost"
says out "1 task would never be started: they state no cost, and their timeout"
says out '"c" needs most, 7200 s'
g 0 check flow.json --node 1x4 --walltime 3h
says out "every task can be started"
g 1 check flow.json --walltime 0:30:00 --json
says out '"never_by_cost": 1'
g 2 check flow.json --walltime soon
says err "--walltime soon"

# submit says the same, and submits all the same.
g 0 submit flow.json --backend local --time 30m --dry-run
says err "2 tasks would never be started"
says err '"c"'
g 0 submit flow.json --backend local --time 3h --dry-run
says_not err "never be started"

# In a job that is shorter than its own end needs nothing fits that states how long it takes; the rest is started.
g 0 submit flow.json --backend local --time 12s --dry-run
says err "5 tasks would never be started"
