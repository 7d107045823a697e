# Functions that ask for several cores and for GPUs: where they run, what they are told, and that the next one is back on
# the core of its worker.
. "${BASH_SOURCE%/*}/lib.sh"
GANGER=$FUNCTIONS
export GANGER_GPUS=mine # the environment of the workers says nothing of a task

cat >flow.json <<'J'
{"tasks": [
  {"id": "one", "keep": true, "function": "say_place"},
  {"id": "wide", "keep": true, "function": "say_place", "cores": 2, "after": "one"},
  {"id": "again", "keep": true, "function": "say_place", "cores": 2, "after": "wide"},
  {"id": "back", "keep": true, "function": "say_place", "after": "again"},
  {"id": "gpu", "keep": true, "function": "say_place", "gpus": 1, "after": "back"},
  {"id": "gpus", "keep": true, "function": "say_place", "cores": 2, "gpus": 2, "after": "gpu"},
  {"id": "late", "keep": true, "function": "say_place", "cores": 2, "timeout": 30, "after": "gpus"},
  {"id": "alone", "keep": true, "function": "say_place_alone", "cores": 2, "gpus": 2, "after": "late"},
  {"id": "alone-one", "keep": true, "function": "say_place_alone", "after": "alone"}
]}
J
part() { # ID N: the Nth part of what it said
    sed -n "s/^$1: done //p" said | cut -d: -f"$2"
}
expect() { # ID CORES GPUS ENVIRONMENT
    [ "$(part "$1" 1)" = "$2" ] || fail "$1 holds $(part "$1" 1) cores"
    [ "$(part "$1" 2 | tr ',' '\n' | wc -l)" = "$2" ] || fail "$1 holds the slots $(part "$1" 2)"
    [ "$(part "$1" 3)" = "$3" ] || fail "$1 holds the GPUs $(part "$1" 3)"
    [ "$(part "$1" 5)" = "$4" ] || fail "$1 finds GANGER_GPUS=$(part "$1" 5)"
}
for backend in local thread; do
    rm -rf flow.run
    g 0 run -n 2 --gpus-per-node 2 --backend $backend flow.json
    cp out said
    for id in one back; do expect $id 1 "" mine; done
    for id in wide again late; do expect $id 2 "" mine; done
    case $(part gpu 3) in 0 | 1) ;; *) fail "gpu holds $(part gpu 3)" ;; esac
    expect gpus 2 0,1 mine
    expect alone 2 0,1 0,1
    expect alone-one 1 "" -
    [ "$(part wide 2)" = 0,1 ] || fail "wide holds the slots $(part wide 2)"

    # The journal says what each held.
    grep -q '"event":"start","task":"gpus",.*"slots":\[0,1\],"gpus":\[0,1\]' flow.run/journal.jsonl || fail "not in the journal"
    grep -q '"event":"start","task":"gpu",.*"gpus":\[[01]\]' flow.run/journal.jsonl || fail "one GPU is not in the journal"
    g 0 verify flow.run

    if [ "$(nproc)" -lt 2 ]; then
        echo "there is one core here: it was NOT tried whether a function of two cores is bound to two" >&2
        continue
    fi
    one=$(part one 4)
    for id in back alone-one; do [ "$(part $id 4)" = "$one" ] || fail "$id may use $(part $id 4) threads, not $one"; done
    for id in wide again gpus late alone; do
        [ "$(part $id 4)" -gt "$one" ] || fail "$id may use $(part $id 4) hardware threads, one core has $one"
    done
done

# Too many for the node: said before anything runs.
echo '{"tasks": [{"id": "a", "function": "say_place", "gpus": 3}]}' >more.json
g 2 run -q -n 2 --gpus-per-node 2 more.json
says err "3 GPUs"
