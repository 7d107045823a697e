#!/bin/sh
# docs/protocol.pml by Spin: every order of events for 2 workers, 3 tasks and one loss. No task is lost or recorded twice,
# no two attempts live at the same time, nobody waits for ever. Each mistake that it can be given must be found (half a
# minute, 600 MB).
set -eu
cd "$(dirname "$0")/../.."
folder=build/full/protocol
rm -rf $folder
mkdir -p $folder
model=$PWD/docs/protocol.pml
cd $folder

verify() { # [MISTAKE]: what Spin finds; all of it is in log
    spin -a ${1:+-D$1} "$model" >log
    cc -O2 -w -DSAFETY -DNOCLAIM -o pan pan.c
    ./pan -m100000 >>log
    sed -n 's/.*errors: \([0-9]*\).*/\1/p' log
}

[ "$(verify)" = 0 ] || { cat log && echo "the protocol has an error: spin -t -p docs/protocol.pml shows how" >&2 && exit 1; }
! grep -q 'max search depth too small\|out of memory' log || { cat log && exit 1; }
sed -n 's/^ *\([0-9]*\) states, stored$/the protocol holds in all of \1 states/p' log
for mistake in BREAK_STALE BREAK_FENCE BREAK_EARLY BREAK_RECALL; do
    [ "$(verify $mistake)" != 0 ] || { echo "a protocol with $mistake passes: the model proves nothing" >&2 && exit 1; }
    echo "$mistake is found"
done
