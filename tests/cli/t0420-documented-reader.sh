# The reader in docs/run-directory.md reads what ganger writes. Without Python there is nothing to test.
. "${BASH_SOURCE%/*}/lib.sh"

python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2> /dev/null || { echo "Python 3.8 is not installed: the reader was NOT tested"; exit 0; }
sed -n '/^```python$/,/^```$/p' "$GANGER_SOURCE_DIR/docs/run-directory.md" | sed '1d;$d' > reader.py
[ -s reader.py ] || fail "the document has no reader"

# The package where there is none: the algorithms, as xxhash.com describes them.
python3 -c 'import xxhash' 2> /dev/null || cat > xxhash.py <<'P'
import struct

def _rotate(v, n, width):
    return (v << n | v >> (width - n)) & (2**width - 1)

def _hash(data, seed, width, p, rotations, fold):
    mask, size = 2**width - 1, width // 8
    n, at = len(data), 0
    word = "<" + ("I" if width == 32 else "Q")
    step = lambda acc, lane: _rotate((acc + lane * p[1]) & mask, rotations[0], width) * p[0] & mask
    if n >= 4 * size:
        acc = [seed + p[0] + p[1] & mask, seed + p[1] & mask, seed, seed - p[0] & mask]
        while at + 4 * size <= n:
            for i in range(4):
                acc[i] = step(acc[i], struct.unpack_from(word, data, at)[0])
                at += size
        h = sum(_rotate(a, r, width) for a, r in zip(acc, (1, 7, 12, 18))) & mask
        if width == 64:
            for a in acc:
                h = (h ^ step(0, a)) * p[0] + p[3] & mask
    else:
        h = seed + p[4] & mask
    return fold(data, at, h + n & mask, step)

P32 = (2654435761, 2246822519, 3266489917, 668265263, 374761393)
P64 = (11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261)

def xxh32_intdigest(data, seed=0):
    def fold(data, at, h, step):
        while at + 4 <= len(data):
            h = _rotate(h + struct.unpack_from("<I", data, at)[0] * P32[2] & 0xffffffff, 17, 32) * P32[3] & 0xffffffff
            at += 4
        for byte in data[at:]:
            h = _rotate(h + byte * P32[4] & 0xffffffff, 11, 32) * P32[0] & 0xffffffff
        h = (h ^ h >> 15) * P32[1] & 0xffffffff
        h = (h ^ h >> 13) * P32[2] & 0xffffffff
        return h ^ h >> 16
    return _hash(data, seed, 32, P32, (13,), fold)

def xxh64_intdigest(data, seed=0):
    mask = 2**64 - 1
    def fold(data, at, h, step):
        while at + 8 <= len(data):
            h = _rotate(h ^ step(0, struct.unpack_from("<Q", data, at)[0]), 27, 64) * P64[0] + P64[3] & mask
            at += 8
        if at + 4 <= len(data):
            h = _rotate(h ^ struct.unpack_from("<I", data, at)[0] * P64[0] & mask, 23, 64) * P64[1] + P64[2] & mask
            at += 4
        for byte in data[at:]:
            h = _rotate(h ^ byte * P64[4] & mask, 11, 64) * P64[0] & mask
        h = (h ^ h >> 33) * P64[1] & mask
        h = (h ^ h >> 29) * P64[2] & mask
        return h ^ h >> 32
    return _hash(data, seed, 64, P64, (31,), fold)

class xxh32:
    def __init__(self, data):
        self.data = data
    def hexdigest(self):
        return "%08x" % xxh32_intdigest(self.data)
P

cat > flow.json <<'J'
{"tasks": [{"id": "long", "command": "seq 3000; sleep 0.1; seq 7"}, {"id": "short", "command": "echo x; echo y"},
           {"id": "fails", "command": "printf abc; exit 1", "retries": 1}]}
J
g 1 run flow.json -n 3
PYTHONPATH=. python3 reader.py flow.run long > out 2> err || fail "the reader fails"
{ seq 3000; seq 7; } | cmp - out || fail "the reader reads something else"
PYTHONPATH=. python3 reader.py flow.run fails > out 2> err || fail "the reader fails"
same out abcabc # both attempts
printf x | dd of="$(ls flow.run/output/*)" bs=1 seek=100 conv=notrunc 2> /dev/null
for task in long short fails; do
    PYTHONPATH=. python3 reader.py flow.run $task > /dev/null 2>> err || exit 0 # it sees what is missing
done
fail "the reader does not see damage"
