# Task Bench's graphs, one by one and over plain MPI: what tasks read is what was written for them.
. "${BASH_SOURCE%/*}/lib.sh"
. "${BASH_SOURCE%/*}/lib-taskbench.sh"
need_taskbench mpi_p2p

all_trials "$tools/taskbench-serial"
notices "$tools/taskbench-serial"
for name in mpi_p2p mpi_bulk; do
    all_trials $mpi -n 3 "$tools/taskbench-$name"
    notices $mpi -n 3 "$tools/taskbench-$name"
done

# The table: METG from curves that are known. 75 % at 4 us and 25 % at 1 us cross at 2 us.
line() { echo "$1 1e-9 $2 pattern fft width 2 steps 10 bytes 16 graphs 1 kernel compute iterations $3 workers 2 cores $4 tasks 20 elapsed $5"; }
{
    line 1 one 3000 2 40e-6
    line 1 one 250 2 10e-6
    line 1 two 3000 3 80e-6
    line 1 two 250 3 20e-6
    line 2 one 250 2 10e-6
    line 2 one 3000 2 40e-6
} >samples
"$tools/taskbench-table" <samples >out || fail "the table cannot be made"
grep -qE '^one +2 +2 +2 +2\.000 +2\.000\.\.2\.000 +2 +1\.00$' out || fail "the METG of one"
grep -qE '^two +2 +3 +2 +>8\.000 ' out || fail "the METG of two, which never reaches a half"
! echo "1 1e-9 nonsense" | "$tools/taskbench-table" >out 2>err || fail "nonsense is taken"
says err "no sample: 1 1e-9 nonsense"

# The driver measures what it is told to, and says what it could not measure.
TMPDIR=$PWD timeout -s KILL "$limit" "$GANGER_SOURCE_DIR/bench/taskbench/metg.sh" -B "${tools%/bench}" -n 1 -s 0.002 \
    -i mpi_bulk:2,serial:1 -p fft,dom -c 1 -k kept >out 2>err || fail "metg.sh ends with $?"
[ "$(grep -cE '^(mpi_bulk +2 +2 +2|serial +1 +1 +1) +[<>]?[0-9.]+ ' out)" = 4 ] || fail "metg.sh has not two rows for each pattern"
grep -q '^dom, 1 graph, 16 bytes, kernel compute, columns per worker: 1; ratios to mpi_bulk$' out || fail "no dom"
grep -q '^others    used -*[0-9.]* cores meanwhile' out || fail "nothing about others"
"$tools/taskbench-table" <kept >again && [ "$(tail -n 11 out | head -n 9)" = "$(cat again)" ] || fail "what is kept is another table"
! timeout -s KILL "$limit" "$GANGER_SOURCE_DIR/bench/taskbench/metg.sh" -B "${tools%/bench}" -n 1 -i nothing:1 >out 2>err ||
    fail "metg.sh is content with nothing"
says err "nothing with 1 workers failed"
