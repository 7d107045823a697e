# `ganger run FLOW TASK...` runs the tasks that are named and what they need, and nothing else.
. "${BASH_SOURCE%/*}/lib.sh"

cat >flow.json <<'J'
{"tasks": [
  {"id": "get", "command": "echo get >>ran"},
  {"id": "sim.{i}", "for": {"i": "1-3"}, "command": "echo sim.{i} >>ran", "after": "get"},
  {"id": "post.{i}", "for": {"i": "1-3"}, "command": "echo post.{i} >>ran; echo done >post.{i}", "inputs": ["get.{i}"],
   "outputs": ["post.{i}"], "after": "sim.{i}"},
  {"id": "make.{i}", "for": {"i": "1-3"}, "command": "echo make.{i} >>ran; echo >get.{i}", "outputs": ["get.{i}"]},
  {"id": "all", "command": "echo all >>ran", "after": "post.*"},
  {"id": "mend", "command": "echo mend >>ran", "after": {"task": "get", "on": "notok"}}]}
J
ran() { sort ran | tr '\n' ' '; rm -f ran; }

g 0 run flow.json -n 2 post.2
[ "$(ran)" = "get make.2 post.2 sim.2 " ] || fail "a target runs with what it needs"
says out '4 tasks'
g 0 status flow.run
says out '4 of 4 done'
g 0 verify flow.run
says out 'verdict   sound'

# Other targets of the same run: what is done stays so, and nobody takes it for another workflow.
g 2 run flow.json --resume -n 2 sim.4
says err 'there is no task "sim.4"; did you mean "sim.1"?'
g 0 run flow.json --resume -n 2 sim.1 'post.?'
[ "$(ran)" = "make.1 make.3 post.1 post.3 sim.1 sim.3 " ] || fail "a resumed run with other targets"
says_not err 'another workflow'
g 0 status flow.run
says out '10 of 10 done'
g 0 verify flow.run
g 0 run flow.json --resume -n 2
[ "$(ran)" = "all " ] || fail "the rest of it"
g 0 status flow.run
says out '11 of 12 done, 1 not needed'
g 0 verify flow.run
g 0 run flow.json --resume -n 2 sim.1
[ ! -e ran ] || fail "nothing was to be done"
says_not err 'right one'
g 0 status flow.run
says out '2 of 2 done'
g 0 verify flow.run
says out '2: 2 done'

g 0 run flow.json --dry-run mend
says out '# 2 tasks'
says out 'mend'
says_not out 'sim'
g 0 check flow.json post.3
says out 'tasks          4'
g 2 check flow.json post.4
says err 'there is no task "post.4"'

# As a job.
rm -f ran
g 0 submit flow.json sim.2 --backend local -c 1 --run-dir job.run --wait
[ "$(ran)" = "get sim.2 " ] || fail "a job of targets"
g 2 submit flow.json other.json --backend local --run-dir other.run
says err 'there is no task "other.json"'
[ ! -e other.run ] || fail "a submission that is refused leaves nothing"

# Lines of a list have their numbers for ids.
printf 'echo 1 >>ran\necho 2 >>ran\necho 3 >>ran\n' >list
g 0 run list -n 1 2 3
[ "$(ran)" = "2 3 " ] || fail "lines of a list"
g 0 run list -n 1 --resume
[ "$(ran)" = "1 " ] || fail "the other line of a list"
