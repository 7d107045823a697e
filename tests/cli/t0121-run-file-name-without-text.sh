# A workflow whose path is no UTF-8 is run, resumed and looked over like any other; JSON gets U+FFFD instead.
. "${BASH_SOURCE%/*}/lib.sh"

flow=$'caf\xe9.txt'
echo 'echo once >> count' >"$flow"
g 0 run "$flow" -n 1
says $'caf\xe9.run/run.json' '"name": "caf'$'\xef\xbf\xbd''"'
g 0 run "$flow" -n 1 --resume
same count once
g 0 check "$flow" --json
says out '"name": "caf'$'\xef\xbf\xbd''"'
