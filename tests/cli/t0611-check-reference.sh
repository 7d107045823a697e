# For real workflows and graphs of the Standard Task Graph set, the simulation takes as long as another implementation of
# list scheduling by b-level found, and the bound is no weaker. The data lie beside the checkout, or nowhere.
. "${BASH_SOURCE%/*}/lib.sh"

data=$GANGER_SOURCE_DIR/../shared/workflows
[ -e "$data/reference-makespans.tsv" ] || { echo "skipped: there is no $data/reference-makespans.tsv"; exit 0; }

# Lines "id cost n_parents parent..." become tasks. The first and the last of some files cost nothing and only hold the
# others together.
stg_to_lines() {
    awk 'NR > 1 && $1 ~ /^[0-9]+$/ && $2 > 0 {
             printf("{\"id\":\"%d\",\"command\":\"true\",\"cost\":%s", $1, $2)
             costs[$1] = 1
             n = 0
             for (i = 1; i <= $3; i++)
                 if ($(3 + i) in costs)
                     printf("%s\"%d\"", n++ ? "," : ",\"after\":[", $(3 + i))
             print (n ? "]" : "") "}"
         }' "$1"
}

# compare NAME FILE WORD...: all numbers of cores of the table.
compare() {
    local name=$1 flow=$2 cores key
    shift 2
    cores=$(awk -F '\t' -v name="$name.txt" '$1 == name { printf "%s%s", n++ ? "," : "", $3 }' \
        "$data/reference-makespans.tsv")
    g 0 check "$flow" --json --simulate -n "$cores" "$@"
    for key in cores at_least_s simulated_s; do
        sed 's/.*"bounds": \[\([^]]*\)\].*/\1/' out | grep -o "\"$key\": [0-9.e+]*" | sed 's/.*: //' >$key
    done
    awk -F '\t' -v name="$name.txt" '$1 == name { print $3, $6, $11 }' "$data/reference-makespans.tsv" >wanted
    paste -d ' ' wanted cores at_least_s simulated_s | awk -v name="$name" '
        function is_near(a, b) { return a > b * 0.999 && a < b * 1.001 }
        NF != 6 || $1 != $4 || !is_near($6, $3) || $5 < $2 * 0.99999 || $5 > $3 * 1.00001 {
            print name ", cores, bound and makespan wanted and found: " $0
            bad = 1
        }
        END { exit bad || NR != 8 }' || fail "$name differs"
}

n=0
for flow in "$data"/wfformat/*.json; do
    compare "$(basename "$flow" .json)" "$flow" --replay 1
    n=$((n + 1))
done
for flow in "$data"/stg/*.stg; do
    stg_to_lines "$flow" >flow.jsonl
    compare "stg-$(basename "$flow" .stg)" flow.jsonl
    n=$((n + 1))
done
[ $n = 13 ] || fail "only $n workflows were there"
