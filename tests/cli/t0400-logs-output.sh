#!/bin/sh
# `ganger logs` prints what tasks wrote: one, some or all, by stream and by attempt.
set -eu

fail()
{
    echo "FAIL: $1" >&2
    exit 1
}

# Runs `ganger logs` with the arguments; leaves out, err and status.
logs()
{
    status=0
    "$GANGER" logs "$@" >out 2>err || status=$?
}

cat >flow.json <<'EOF'
{"tasks": [
  {"id": "both", "command": "echo to out; echo to err >&2"},
  {"id": "silent", "command": "true"},
  {"id": "fails", "command": "printf 'no newline'; exit 3", "after": ["both"]},
  {"id": "skipped", "command": "echo never", "after": ["fails"]},
  {"id": "last", "command": "echo last; exit 1", "after": ["both", "silent"]}
]}
EOF
run_status=0
"$GANGER" run flow.json -n 1 >/dev/null 2>&1 || run_status=$?
test "$run_status" = 1 || fail "the run ends with $run_status"

logs flow.run both
test "$status" = 0 || fail "status $status: $(cat err)"
test "$(cat out)" = "to out" || fail "standard output is kept apart: $(cat out)"
test "$(cat err)" = "to err" || fail "standard error is kept apart: $(cat err)"

logs flow.run both --stderr
test "$(cat out)" = "to err" || fail "one stream goes to standard output: $(cat out)"

logs flow.json --stdout both last
printf '==> both <==\nto out\n\n==> last <==\nlast\n' >expected
cmp -s expected out || fail "several tasks have titles: $(cat out)"

logs flow.run
grep -q '^==> fails <==$' out || fail "all tasks are printed: $(cat out)"
if grep -q 'silent' out; then fail "a task that wrote nothing has no title"; fi

logs flow.run silent
test "$status" = 0 || fail "a silent task is no error"
test ! -s out || fail "a silent task prints nothing"

logs flow.run skipped
test "$status" = 0 || fail "a skipped task is no error"
grep -q 'was skipped' err || fail "a skipped task is told: $(cat err)"

logs flow.run nosuch
test "$status" = 2 || fail "an unknown task: status $status"
grep -q 'nosuch' err || fail "an unknown task is named: $(cat err)"

# The last attempt counts, and an earlier epoch's output stays what it was.
sed 's/echo last; exit 1/echo again/' flow.json >changed.json && mv changed.json flow.json
"$GANGER" run flow.json -n 1 --resume >/dev/null 2>&1 || true
logs flow.run last
test "$(cat out)" = "again" || fail "the last run's output is printed: $(cat out)"
logs flow.run both
test "$(cat out)" = "to out" || fail "what was kept still has its output: $(cat out)"

logs nosuch.run
test "$status" = 2 || fail "a missing run: status $status"

printf x | dd of="$(ls flow.run/output/1-*.out)" bs=1 seek=40 conv=notrunc 2>/dev/null
logs flow.run
test "$status" = 1 || fail "damaged output: status $status"
grep -q 'damaged' err || fail "damaged output is told: $(cat err)"
grep -q '^again$' out || fail "damaged output does not keep back the others'"
