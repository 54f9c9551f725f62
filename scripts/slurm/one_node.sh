#!/bin/bash
# A SLURM cluster of one node on this machine, to try sweeps out where there is no cluster. Needs root and Debian's or
# Ubuntu's slurm-wlm and munge; all state lies in the given folder.
#
#   scripts/slurm/one_node.sh start FOLDER      starts it and waits until it takes jobs
#   eval "$(scripts/slurm/one_node.sh env FOLDER)"      for sbatch, squeue and hydra/launcher=submitit_slurm
#   scripts/slurm/one_node.sh stop FOLDER
set -euo pipefail

fail() { echo "one_node.sh: $*" >&2; exit 1; }

[ $# = 2 ] || fail "give start, env or stop, and a folder, got '$*'."
action=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
export SLURM_CONF=$folder/slurm.conf

write_conf() {
    local host
    host=$(hostname -s)
    cat > "$SLURM_CONF" <<END
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
# Without systemd and control groups, as in a container.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
# Finished jobs stay in squeue, from which the stand-in for sacct reads them.
MinJobAge=3600
# A requeued job starts again within seconds.
SchedulerParameters=sched_interval=2,bf_interval=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc --all) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
}

# Without accounting there is no sacct, by which submitit looks for jobs that were killed.
write_sacct() {
    mkdir -p "$folder/bin"
    cat > "$folder/bin/sacct" <<'END'
#!/bin/bash
ids=()
while [ $# -gt 0 ]; do
    if [ "$1" = -j ]; then ids+=("$2"); shift; fi
    shift
done
echo "JobID|State|NodeList"
squeue -h -r -t all -j "$(IFS=,; echo "${ids[*]}")" -o '%i|%T|%N'
END
    chmod +x "$folder/bin/sacct"
}

start_munge() {
    munge -n > /dev/null 2>&1 && return
    [ -e /etc/munge/munge.key ] || runuser -u munge -- mungekey
    install -d -o munge -g munge -m 0755 /run/munge
    runuser -u munge -- munged
}

is_running() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2> /dev/null; }

start() {
    for program in slurmctld slurmd munged; do
        command -v $program > /dev/null || fail "$program is missing. Type apt-get install slurm-wlm munge."
    done
    [ "$(id -u)" = 0 ] || fail "needs root, to run jobs as the user who gave them."
    is_running "$folder/slurmctld.pid" && return
    mkdir -p "$folder/state" "$folder/spool"
    write_conf
    write_sacct
    start_munge
    slurmctld
    slurmd
    for _ in $(seq 60); do
        [ "$(sinfo -h -o %T 2> /dev/null)" = idle ] && return
        sleep 0.5
    done
    fail "the node does not take jobs ($(sinfo -h -o '%T %E' 2>&1)). See $folder/slurmctld.log and slurmd.log."
}

stop() {
    local pid
    scancel --state=RUNNING --state=PENDING --user="$(id -un)" 2> /dev/null || true
    for file in "$folder/slurmd.pid" "$folder/slurmctld.pid"; do
        if is_running "$file"; then
            pid=$(cat "$file")
            kill "$pid"
            while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
        fi
    done
}

case $action in
    start) start; echo "SLURM with $(nproc --all) CPUs is up: eval \"\$($0 env $folder)\"" ;;
    env) printf 'export SLURM_CONF=%q PATH=%q:$PATH\n' "$SLURM_CONF" "$folder/bin" ;;
    stop) stop ;;
    *) fail "give start, env or stop, got '$action'." ;;
esac
