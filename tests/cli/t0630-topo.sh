# `ganger topo` says what slots, memory and GPUs a machine gives: this one, restricted ones, and machines of paper.
. "${BASH_SOURCE%/*}/lib.sh"
unset CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES SLURM_CPUS_ON_NODE NCPUS

# A machine of paper: its slots in topology order, workers beyond the last slot in turns, wide tasks side by side.
g 0 topo --synthetic "pack:2 numa:4 l3:2 core:8 pu:2" -n 130 --cores 48
says out "machine   2 packages, 8 NUMA nodes, 16 L3 caches, 128 cores, 256 hardware threads"
says out "slots     128, one for each core that may be used"
says out "      0-7        0        0        0  1-8,129-130   0-15"
says out "  120-127        1        7       15  121-128       240-255"
says out "130 workers share 128 slots"
says out "tasks of 48 cores: 2 at once"
says out "  slots 48-95"
g 0 topo --synthetic "pack:2 core:2 pu:1(indexes=0,2,1,3)" --json -n 3
says out '{"slot": 1, "package": 0, "numa": 0, "l3": null, "threads": [2], "workers": [2]}'
says out '{"slot": 3, "package": 1, "numa": 0, "l3": null, "threads": [3], "workers": []}'
g 0 topo --synthetic "pack:1 core:40 pu:1" --each
[ "$(grep -c '^ *[0-9]* *0 *0 *- *[0-9]*$' out)" = 40 ] || fail "not a line for each slot"

# GPUs by a description with some, and by the site's word.
cat >gpus.xml <<'X'
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">
<object type="Machine" os_index="0" cpuset="0xf" complete_cpuset="0xf" allowed_cpuset="0xf" nodeset="0x3" complete_nodeset="0x3" allowed_nodeset="0x3" gp_index="1">
<object type="Package" os_index="0" cpuset="0x3" complete_cpuset="0x3" nodeset="0x1" complete_nodeset="0x1" gp_index="2">
<object type="NUMANode" os_index="0" cpuset="0x3" complete_cpuset="0x3" nodeset="0x1" complete_nodeset="0x1" gp_index="3" local_memory="2147483648"/>
<object type="Core" os_index="0" cpuset="0x1" complete_cpuset="0x1" nodeset="0x1" complete_nodeset="0x1" gp_index="4"><object type="PU" os_index="0" cpuset="0x1" complete_cpuset="0x1" nodeset="0x1" complete_nodeset="0x1" gp_index="5"/></object>
<object type="Core" os_index="1" cpuset="0x2" complete_cpuset="0x2" nodeset="0x1" complete_nodeset="0x1" gp_index="6"><object type="PU" os_index="1" cpuset="0x2" complete_cpuset="0x2" nodeset="0x1" complete_nodeset="0x1" gp_index="7"/></object>
</object>
<object type="Package" os_index="1" cpuset="0xc" complete_cpuset="0xc" nodeset="0x2" complete_nodeset="0x2" gp_index="8">
<object type="NUMANode" os_index="1" cpuset="0xc" complete_cpuset="0xc" nodeset="0x2" complete_nodeset="0x2" gp_index="9" local_memory="2147483648"/>
<object type="Core" os_index="2" cpuset="0x4" complete_cpuset="0x4" nodeset="0x2" complete_nodeset="0x2" gp_index="10"><object type="PU" os_index="2" cpuset="0x4" complete_cpuset="0x4" nodeset="0x2" complete_nodeset="0x2" gp_index="11"/></object>
<object type="Core" os_index="3" cpuset="0x8" complete_cpuset="0x8" nodeset="0x2" complete_nodeset="0x2" gp_index="12"><object type="PU" os_index="3" cpuset="0x8" complete_cpuset="0x8" nodeset="0x2" complete_nodeset="0x2" gp_index="13"/></object>
<object type="Bridge" gp_index="14" bridge_type="0-1" depth="0" bridge_pci="0000:[50-50]"><object type="PCIDev" gp_index="15" pci_busid="0000:50:00.0" pci_type="0302 [10de:2330] [10de:16c1] a1" pci_link_speed="31.5">
<object type="OSDev" gp_index="16" name="cuda0" subtype="CUDA" osdev_type="5"><info name="GPUModel" value="Paper 100"/></object>
<object type="OSDev" gp_index="17" name="nvml0" subtype="NVML" osdev_type="1"><info name="NVIDIAUUID" value="GPU-12"/></object>
</object></object>
</object>
</object>
</topology>
X
g 0 topo --xml gpus.xml
says out "memory    4.0 GiB, the machine's"
says out "GPUs      1 (hwloc)"
says out "  GPU 0  0000:50:00.0  Paper 100  near slots 2-3"
CUDA_VISIBLE_DEVICES=GPU-12,GPU-34 HWLOC_XMLFILE=gpus.xml g 0 topo
says out "GPUs      2 (CUDA_VISIBLE_DEVICES)"
says out "  GPU GPU-12  0000:50:00.0  near slots 2-3"
grep -qx "  GPU GPU-34" out || fail "a GPU that hwloc does not know"
CUDA_VISIBLE_DEVICES=1 g 0 topo --xml gpus.xml
says out "GPUs      1 (hwloc)"
CUDA_VISIBLE_DEVICES=1 ROCR_VISIBLE_DEVICES=0 g 0 topo
says out "GPUs      1 (CUDA_VISIBLE_DEVICES)"
says out "CUDA's counts"
CUDA_VISIBLE_DEVICES='' g 0 topo --json
says out '"gpus": [], "gpu_source": "CUDA_VISIBLE_DEVICES"'

# This machine, and what it allows.
g 0 topo --json
threads=$(grep -o '"threads": \[[^]]*\]' out | tr ',' '\n' | wc -l)
[ "$threads" = "$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)" ] || fail "$threads hardware threads may be used"
SLURM_CPUS_ON_NODE=100000 g 0 topo
says out "SLURM_CPUS_ON_NODE says 100000 processors, more than may be used"

cpus=$(taskset -cp $$ | sed 's/.*: //; s/[-,]/ /g')
first=${cpus%% *}
g 0 topo --json
all=$(grep -o '"slot":' out | wc -l)
if [ "$all" -gt 1 ]; then
    timeout -s KILL "$limit" taskset -c "$first" "$GANGER" topo >out 2>err || fail "topo under taskset"
    says out "slots     1, one for each core that may be used"
    says out "not in the affinity mask that ganger was started with"
    timeout -s KILL "$limit" taskset -c "$first" "$GANGER" topo --json >out
    says out "\"slots\": [{\"slot\": 0,"
    says out "\"threads\": [$first]}]"
fi

# A cpuset of a real cgroup, where one can be made.
cpuset=/sys/fs/cgroup/cpuset
group=$cpuset/ganger-test-$$
if [ "$all" -gt 1 ] && [ -w "$cpuset/cgroup.procs" ] && mkdir "$group" 2>/dev/null; then
    trap 'rmdir "$group"' EXIT
    cat "$cpuset/cpuset.mems" >"$group/cpuset.mems"
    echo "$first" >"$group/cpuset.cpus"
    timeout -s KILL "$limit" sh -c "echo \$\$ >'$group/cgroup.procs' && exec '$GANGER' topo" >out 2>err ||
        fail "topo in a cpuset"
    says out "slots     1, one for each core that may be used"
    says out "not in the cpuset of the cgroup"
else
    echo "no cpuset was tried: none can be made here"
fi

# Limits of real cgroups on memory and processor time, likewise.
top=/sys/fs/cgroup
if [ -w $top/memory/cgroup.procs ] && [ -w $top/cpu/cgroup.procs ] && mkdir "$top/memory/ganger-test-$$" 2>/dev/null; then
    trap 'rmdir "$group" "$top/memory/ganger-test-$$" "$top/cpu/ganger-test-$$" 2>/dev/null' EXIT
    mkdir "$top/cpu/ganger-test-$$"
    echo 536870912 >"$top/memory/ganger-test-$$/memory.limit_in_bytes"
    echo 50000 >"$top/cpu/ganger-test-$$/cpu.cfs_quota_us"
    timeout -s KILL "$limit" sh -c "echo \$\$ >$top/memory/ganger-test-$$/cgroup.procs &&
        echo \$\$ >$top/cpu/ganger-test-$$/cgroup.procs && exec '$GANGER' topo" >out 2>err || fail "topo in a cgroup"
    says out "memory    0.5 GiB, the cgroup's limit; the machine has"
    says out "time      0.5 cores' worth, the cgroup's limit: workers on all slots will be held back"
else
    echo "no limits were tried: none can be set here"
fi

g 2 topo --synthetic "pack:0"
says err "pack:0"
g 2 topo --xml no-such-file
says err "no-such-file"
g 2 topo --xml gpus.xml --synthetic "core:2"
g 2 topo flow.json
says err 'not about "flow.json"'
