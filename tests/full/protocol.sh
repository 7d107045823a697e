#!/bin/sh
# docs/protocol.pml by Spin: every order of events for 2 workers, 3 tasks and one loss, and for a task that is sent behind
# the one it waits for. No task is lost or recorded twice, no two attempts live at the same time, none begins before what
# it waits for, nobody waits for ever. Each mistake that it can be given must be found (a minute, 900 MB).
set -eu
cd "$(dirname "$0")/../.."
folder=build/full/protocol
rm -rf $folder
mkdir -p $folder
model=$PWD/docs/protocol.pml
cd $folder

verify() { # [NAME]...: what Spin finds when these are defined; all of it is in log
    defined=
    for name; do defined="$defined -D$name"; done
    # shellcheck disable=SC2086 # words
    spin -a $defined "$model" >log
    cc -O2 -w -DSAFETY -DNOCLAIM -o pan pan.c
    ./pan -m100000 >>log
    sed -n 's/.*errors: \([0-9]*\).*/\1/p' log
}

for part in "" CHAIN; do
    # shellcheck disable=SC2086
    [ "$(verify $part)" = 0 ] || { cat log && echo "the protocol has an error: spin -t -p docs/protocol.pml shows how" >&2 && exit 1; }
    ! grep -q 'max search depth too small\|out of memory' log || { cat log && exit 1; }
    sed -n "s/^ *\([0-9]*\) states, stored\$/the protocol${part:+ with $part} holds in all of \1 states/p" log
done
for mistake in BREAK_STALE BREAK_FENCE BREAK_EARLY BREAK_RECALL "CHAIN BREAK_CHAIN" "CHAIN BREAK_STALE"; do
    # shellcheck disable=SC2086
    [ "$(verify $mistake)" != 0 ] || { echo "a protocol with $mistake passes: the model proves nothing" >&2 && exit 1; }
    echo "$mistake is found"
done
