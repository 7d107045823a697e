# examples/wordcount counts what sort and uniq count, over MPI, in threads and in one thread.
. "${BASH_SOURCE%/*}/lib.sh"
wordcount=${GANGER%/*}/wordcount
if [ ! -x "$wordcount" ]; then
    echo "NOT RUN: wordcount was not built (GANGER_EXAMPLES=OFF)" >&2
    exit 77
fi
export LC_ALL=C

# Words of all lengths, at the borders of pieces too; a file of one word, an empty one, one that ends within a word.
awk 'BEGIN { srand(3); for (i = 0; i < 80000; i++) {
        for (n = int(rand() * 7) + 1; n > 0; n--) printf "%c", 97 + int(3 * rand())
        printf "%s", rand() < 0.1 ? "\n" : rand() < 0.5 ? " " : ", " } }' >many
printf 'Word' >one
: >empty
printf 'gr\303\274n Gr\303\274n, two\ttwo' >utf8
{ cat many one; echo; cat utf8; } | tr A-Z a-z | tr -cs 'a-z\200-\377' '\n' | grep . | sort | uniq -c |
    sed 's/^ *//' | sort -k1,1nr -k2 >wanted

GANGER=$wordcount
for options in "-n 2" "-n 3 --backend thread" "--backend none"; do
    rm -rf words.run
    # shellcheck disable=SC2086
    g 0 run --quiet --run-dir words.run $options -- many one empty utf8
    cmp out wanted || fail "ganger run $options counts something else"
done

g 2 run --run-dir bad.run -- many nowhere
says err "nowhere: No such file or directory"
g 2 run --run-dir bad.run -- empty
says err "nothing to count"
