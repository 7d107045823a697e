# `ganger graph` draws parts of a workflow: what a task needs, what needs it, a path, all but some tasks; either way round.
. "${BASH_SOURCE%/*}/lib.sh"

cat >flow.json <<'J'
{"tasks": [
  {"id": "get", "command": "true"},
  {"id": "dark", "command": "true"},
  {"id": "sim.{i}", "for": {"i": "1-3"}, "command": "true", "after": "get"},
  {"id": "post.{i}", "for": {"i": "1-2"}, "command": "true", "after": ["sim.*", "dark"]},
  {"id": "mail", "command": "true", "after": [{"task": "post.*", "on": "any"}]},
  {"id": "mend", "command": "true", "after": {"task": "get", "on": "notok"}}]}
J
g 0 graph flow.json --tree --closure sim.2
same out 'get
└─ sim.2'
g 2 graph flow.json --closure 'sim.[12]'
says err 'there is no task "sim.[12]"'
g 0 graph flow.json --tree --closure 'sim.?' --width 9
same out 'get
├─ sim.1
├─ sim.2
└─ sim.3'
g 0 graph flow.json --tree --descendants post.1
same out 'post.1
└─ mail [any]'
g 0 graph flow.json --tree --closure dark --descendants dark
says out 'mail [any]'
says_not out sim
g 0 graph flow.json --tree --path get mail
same out 'get
└─ sim.1
   └─ post.1
      └─ mail [any]'
g 2 graph flow.json --path mail get
says err '"get" does not wait for "mail", directly or not; but the other way'
g 2 graph flow.json --path mend mail
says_not err 'other way'
g 2 graph flow.json --path get
says err 'a path has two ends'
g 2 graph flow.json --path get mial
says err 'there is no task "mial"; did you mean "mail"?'

# What is left out is bridged, over joins as well.
g 0 graph flow.json --tree --prune 'sim.*' --prune mend
same out 'get
├─ post.1
│  └─ mail [any]
└─ post.2
   └─ mail [any] (again)
dark
├─ post.1 (again)
└─ post.2 (again)'
g 0 graph flow.json --tree --prune 'post.*' --prune mend
says out 'sim.3
   └─ mail [any] (again)'
g 2 graph flow.json --prune '*'
says err 'no task would be left'
g 2 graph flow.json --prune 'zim.*'
says err 'no task matches "zim.*"'

g 0 graph flow.json --tree --reverse --closure post.1 --width 9
same out 'post.1
├─ dark
├─ sim.1
│  └─ get
├─ sim.2
│  └─ get (again)
└─ sim.3
   └─ get (again)'
