#!/bin/bash
# Try slurm.sh on a Slurm of one node, started here and ended afterwards (Debian: slurm-wlm, munge;
# run as root). A case of the cohort is damaged: its task fails, is mended, and is submitted again.
#
#   try-slurm.sh FOLDER CASES      FOLDER: for everything; CASES: M&Ms-2 folders
#
# Prints what each job came to; $CMRSEG and $OPTIONS say what runs.
set -euo pipefail
here=$(realpath "$(dirname "$0")") folder=$(realpath "$1") cases=$(realpath "$2")
read -ra options <<<"${OPTIONS:-}"
host=$(hostname -s)
# Daemons of this trial alone, by their numbers.
trap 'kill $(cat "$folder"/*.pid) 2>/dev/null; wait' EXIT
cd "$folder"
mkdir -p state spool
chmod 755 .

head -c 1024 /dev/urandom >munge.key
chmod 400 munge.key
munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" &
cat >slurm.conf <<END
ClusterName=trial
SlurmctldHost=$host
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/linear
MinJobAge=3600
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=1000
PartitionName=all Nodes=$host Default=YES State=UP
END
export SLURM_CONF=$folder/slurm.conf
for _ in {1..50}; do [ -S munge.socket ] && break || sleep 0.2; done
slurmctld
slurmd
for _ in {1..100}; do sinfo -h -o %t | grep -q idle && break || sleep 0.2; done

submit() { # WHAT [options of sbatch]: waits; tells each task's state and how many cases were done before
    what=$1
    shift
    id=$(sbatch --parsable --wait --cpus-per-task=1 --mem=0 "$@" "$here/slurm.sh" mnms2 "$cases" OUT \
        "${options[@]}") || true
    squeue -h -t all -r -j "$id" -o '%A %K %T' | sort -n -k2 | while read -r job task state; do
        echo "$what ${task/N\/A/} $state $(grep -c 'done before' "cmrseg-$job.log")"
    done
}

mkdir -p OUT
export SHARDS=2
last=$(find "$cases" -name '*_SA_ED.nii.gz' | sort | tail -1)
mv "$last" kept
echo damaged >"$last"
submit array --array=1-$SHARDS
mv kept "$last"
submit again --array=2
submit gather
