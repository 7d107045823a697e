# Tasks get GPUs by id, no two the same at a time, and find them in their environment.
. "${BASH_SOURCE%/*}/lib.sh"

unset CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES
cat > flow.json <<'J'
{"tasks": [
  {"id": "{i}", "for": {"i": "1-8"}, "gpus": 1,
   "command": "mkdir busy.$GANGER_GPUS && sleep 0.05 && rmdir busy.$GANGER_GPUS && test $CUDA_VISIBLE_DEVICES = $GANGER_GPUS && test $ROCR_VISIBLE_DEVICES = $GANGER_GPUS"},
  {"id": "two", "gpus": 2, "stdout": "two", "command": "echo $GANGER_GPUS"},
  {"id": "none", "stdout": "none", "command": "echo ${GANGER_GPUS-unset} ${CUDA_VISIBLE_DEVICES-unset}"}
]}
J
g 0 run flow.json -n 3 --gpus-per-node 2
same two 0,1
same none "unset unset"
rm -rf flow.run
CUDA_VISIBLE_DEVICES=3,GPU-5a g 0 run flow.json -n 2
same two 3,GPU-5a
same none "unset 3,GPU-5a"
rm -rf flow.run
CUDA_VISIBLE_DEVICES= g 2 run flow.json -n 2 # there are none: what asks for some cannot be placed
says err "fits on no node: it asks for 1 core and 1 GPU"
