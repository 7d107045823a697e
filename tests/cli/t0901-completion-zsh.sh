# Completion in zsh, typed into a real one: its line editor runs in a pseudo-terminal.
# Others may run beside it.
. "${BASH_SOURCE%/*}/lib.sh"

command -v zsh >/dev/null || { echo "zsh is not installed: its completion was NOT tested"; exit 77; }
mkdir bin functions some.run
ln -s "$GANGER" bin/ganger
cp "$GANGER_SOURCE_DIR/launch/completion/_ganger" functions/
touch flow.json
echo '{"event":"start","task":"left","index":0}' >some.run/journal.jsonl

# Types each line and a TAB; prints what the line has become, between marks.
cat >type.zsh <<'Z'
zmodload zsh/zpty
zpty shell zsh -f -i
send() { zpty -w shell "$1"; }
send "PS1= RPS1= PS2= TERM=dumb; unsetopt prompt_cr prompt_sp zle_bracketed_paste; unset zle_bracketed_paste"
send "PATH=$PWD/bin:\$PATH; fpath=($PWD/functions \$fpath); autoload -Uz compinit; compinit -D -u"
send 'zstyle ":completion:*" list-prompt ""; LISTMAX=100000; stty cols 500 -echo'
send 'show() { zle -I; print -r -- "<<$BUFFER>>"; zle send-break }; zle -N show; bindkey "^X" show'
send 'print ready'
zpty -r -m shell line '*ready*ready*' || exit 1
for typed in "$@"; do
    zpty -n -w shell "$typed"$'\t'$'\x18'
    zpty -r -m shell line '*<<*>>*' || exit 1
    print -r -- ${${line##*<<}%%>>*}
done
zpty -d shell
Z
# becomes TYPED WANTED: a TAB behind TYPED makes it WANTED.
becomes() {
    local found
    found=$(timeout -s KILL 60 zsh -f type.zsh "$1") || fail "zsh did not complete: $1"
    [ "$found" = "$2" ] || fail "\"$1\" becomes \"$found\", not \"$2\""
}

becomes 'ganger lo' 'ganger logs '
becomes 'ganger help che' 'ganger help check '
becomes 'ganger run --resu' 'ganger run --resume '
becomes 'ganger run fl' 'ganger run flow.json '
becomes 'ganger run flow.json --run-d' 'ganger run flow.json --run-dir='
becomes 'ganger run --run-dir so' 'ganger run --run-dir some.run/'
becomes 'ganger run --run-dir=so' 'ganger run --run-dir=some.run/'
becomes 'ganger logs some.run le' 'ganger logs some.run left '
