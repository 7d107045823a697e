# examples/julia: a fan-in in declared order. Its picture is the same however it is cut into tiles, and however it is run.
. "${BASH_SOURCE%/*}/lib.sh"
julia=${GANGER%/*}/julia
if [ ! -x "$julia" ]; then
    echo "NOT RUN: julia was not built: libpng is missing (./bootstrap test), or GANGER_EXAMPLES=OFF" >&2
    exit 77
fi

GANGER=$julia
g 0 run -n 2 --run-dir mpi.run -- mpi.png
says out "mpi.png: 1280 x 768 pixels of 60 tiles"
g 0 run -n 2 --run-dir thread.run --backend thread --quiet -- thread.png 64
same out "thread.png: 1280 x 768 pixels of 240 tiles"
cmp mpi.png thread.png || fail "another picture from tiles of 64 pixels"
g 0 run --run-dir none.run --backend none --quiet -- none.png 128
cmp mpi.png none.png || fail "another picture without workers"

# A PNG of that size that is no plain area.
python3 - mpi.png <<'PYTHON' || fail "mpi.png is no such picture"
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n"
at, pixels = 8, b""
while at < len(data):
    n, kind = struct.unpack(">I4s", data[at:at + 8])
    body = data[at + 8:at + 8 + n]
    assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + n:at + 12 + n])[0]
    if kind == b"IHDR":
        assert struct.unpack(">IIBB", body[:10]) == (1280, 768, 8, 2)
    if kind == b"IDAT":
        pixels += body
    at += 12 + n
pixels = zlib.decompress(pixels)
assert len(pixels) == 768 * (1 + 3 * 1280) and len(set(pixels)) > 200
PYTHON

g 2 run --run-dir bad.run -- bad.png 100
says err "tiles of 100 pixels do not fill 1280 x 768"
g 1 run -n 2 --run-dir large.run -- large.png 256
says err "its result has more than 65536 bytes"
