# `ganger check` tells how long a workflow takes at least and simulated, what fits nowhere, and what is declared in vain.
. "${BASH_SOURCE%/*}/lib.sh"

cat >flow.json <<'J'
{"queues": {"disk": 2, "idle": 4}, "resources": {"licence": {"total": 1}, "tape": {"per_node": 1}},
 "tasks": [
  {"id": "get", "command": "true", "cost": 10, "queue": "disk"},
  {"id": "sim.{i}", "for": {"i": "1-12"}, "command": "true", "cost": 30, "cores": 2, "after": "get"},
  {"id": "big", "command": "true", "cost": 5, "cores": 48, "memory": "100GiB", "after": "get"},
  {"id": "count.{i}", "for": {"i": "1-5"}, "command": "true", "cost": 100, "resources": {"licence": 1}},
  {"id": "end", "command": "true", "after": {"task": "sim.*", "on": "any"}}]}
J

# Twelve tasks of two cores and 30 s on 8 cores: three rounds; five of 100 s with one licence: one by one.
g 1 check flow.json -n 8
says out "at least       500 s on 8 cores, for resource \"licence\""
says out "fits nowhere   1 task, not counted above, on 8 cores:"
says out "1 of 48 cores and 100.0 GiB of memory, as \"big\""
says err 'queue "idle" is declared, but no task is in it'
says err 'resource "tape" is declared, but no task takes any'
says_not err disk
says_not err licence

# With nodes that hold everything it is well; a node too small in memory is not.
g 0 check flow.json --node 2x64,128GiB
says out "2 nodes of 64 cores and 128.0 GiB of memory"
says_not out "fits nowhere"
g 1 check flow.json --node 64,64GiB
says out "fits nowhere   1 task, "
g 0 check flow.json --node 8 --node 64
says out "8 cores; 64 cores"

# A table for several numbers of cores; only what exceeds the largest fits nowhere.
g 0 check flow.json -n 8,64 --simulate
says out "simulated"
[ "$(grep -c 'resource "licence"$' out)" = 2 ] || fail "no line for each number of cores"

# Numbers for programs: the simulation is not below the bound.
g 0 check flow.json --node 64 --json -s
says out '"bounds": [{"cores": 64, "at_least_s": 500.0, "limit": "resource", "limit_name": "licence", "simulated_s": 500.0, '
says out '"fits_nowhere": []'
says out '"unused": {"queues": ["idle"], "resources": ["tape"]}'
g 1 check flow.json -n 8 --json
says out '"fits_nowhere": [{"tasks": 1, "example": "big", "cores": 48, "memory_bytes": 107374182400, "gpus": 0}]'

# Without a word about nodes it is about this machine: what does not fit here may run elsewhere.
g 0 check flow.json
says out "on this machine: "

# Tasks of more than half a node's memory run one by one on each, whatever their sum.
printf '{"tasks": [{"id": "t{i}", "for": {"i": "1-6"}, "command": "true", "cost": 1, "memory": "6GiB"}]}' >half.json
g 0 check half.json --node 2x64,10GiB -s
says out "at least       3 s on 2 nodes of 64 cores and 10.0 GiB of memory, for memory"
says out "simulated      3 s"

# Files: one input is missing, one output is not read, others are made by a task or are there.
mkdir data
: >data/there
cat >files.json <<'J'
{"tasks": [
  {"id": "a", "command": "true", "cwd": "data", "inputs": ["there", "./not-there"], "outputs": ["x"]},
  {"id": "b", "command": "true", "inputs": ["data/x", "log"], "outputs": ["result"], "after": "c"},
  {"id": "c", "command": "true", "stdout": "log"}]}
J
g 0 check files.json
g 1 check files.json --files
says out "inputs that no task makes and that are not there: 1:"
says out 'data/not-there, of "a"'
says out "outputs that no task reads: 1:"
says out 'result, of "b"'
g 1 check files.json --files --json
says out '"missing_inputs": [{"path": "data/not-there", "task": "a"}]'
: >data/not-there
g 0 check files.json --files
says out "not there: 0"

# What is no number of cores and no node.
for word in 0 8, 8,x 65536 -1 ''; do
    g 2 check flow.json -n "$word"
    says err "--cores takes whole numbers"
done
for word in 0 4x 4x0 x4 8,4 8,4GiB,x 8,4GiB,1,1 65535x65535; do
    g 2 check flow.json --node "$word"
    says err "--node"
done
g 2 check flow.json -n 8 --node 8
says err "one of them"
