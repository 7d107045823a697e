# bench-functions as one run, with each backend; bench/scale.sh, which measures with it.
. "${BASH_SOURCE%/*}/lib.sh"

tools=$(cd "$(dirname "$GANGER")/../bench" 2>/dev/null && pwd)
if [ ! -x "$tools/bench-functions" ] || [ ! -x "$tools/taskbench-ganger" ]; then
    echo "NOT RUN: bench-functions was not built (GANGER_BENCH=OFF: ./bootstrap test)" >&2
    exit 77
fi

# runs WORKERS CHAINS WORD...: 1000 functions, all of which end well and when they had to. They may be done before all
# workers are there.
runs() {
    local n=$1 words="1000 $2" status=0
    shift 2
    rm -rf bench.run
    # shellcheck disable=SC2086
    timeout -s KILL "$limit" "$tools/bench-functions" run --quiet --run-dir bench.run "$@" -- $words >out 2>err \
        </dev/null || status=$?
    [ $status = 0 ] || fail "bench-functions $* -- $words: exit status $status"
    grep -qxE "workers [1-$n] tasks 1000 elapsed [0-9.]+" out || fail "bench-functions $* -- $words"
    # shellcheck disable=SC2086
    timeout -s KILL "$limit" "$tools/bench-functions" verify bench.run -- $words >out 2>err </dev/null ||
        fail "bench-functions $* -- $words: not verified"
}

for chains in 0 1 7; do
    runs 1 $chains --backend none
    runs 2 $chains --backend thread -n 2
    runs 2 $chains --backend local -n 2
done

# A row for each backend and number of workers, with a number in it.
scale() { timeout -s KILL "$limit" "$GANGER_SOURCE_DIR/bench/scale.sh" -B "${tools%/bench}" -d . -n 1 "$@" >out 2>err </dev/null; }
scale -w 1,2 chain || fail "scale.sh chain: exit status $?"
for backend in local thread; do
    for n in 1 2; do
        grep -qE "^one chain, per link +$backend +$n +[0-9.]+ +[0-9.]+\.\.[0-9.]+ +[0-9]+ +[0-9.]+$" out ||
            fail "scale.sh: no row for $backend and $n workers"
    done
done
scale nothing-like-that && fail "scale.sh takes a figure that does not exist"
says err "no figure is called nothing-like-that"
scale -B . chain && fail "scale.sh measures without a build"
says err "build first"
scale -w 1 -b fax chain && fail "scale.sh measures a backend that does not exist"
says err "one chain, per link, fax, 1 workers"
[ -z "$(find . -maxdepth 1 -name 'ganger-scale.*')" ] || fail "scale.sh leaves its folder behind"
