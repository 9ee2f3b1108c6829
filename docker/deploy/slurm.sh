#!/bin/bash
# Many cases on Slurm: an array of shards that share one output folder, then a job that gathers.
#
#   export SHARDS=20
#   array=$(sbatch --parsable --array=1-$SHARDS slurm.sh mnms2 IN OUT [options of predict])
#   sbatch --dependency=afterany:$array slurm.sh mnms2 IN OUT [the same options]
#
# Tasks that failed are submitted again by their numbers with the same SHARDS (--array=3,7); what is
# done is left out. The job that gathers computes what no task did.
#
# SIF names Apptainer's image (default: cmrseg-RECIPE.sif; APPTAINER_NV=1 for a GPU). Where there is
# no apptainer, CMRSEG is the command (default: cmrseg).
#SBATCH --job-name=cmrseg
#SBATCH --output=%x-%j.log
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=08:00:00
set -euo pipefail
recipe=$1 input=$(realpath "$2") output=$(realpath "$3")
shift 3
part=()
[ -z "${SLURM_ARRAY_TASK_ID:-}" ] || part=(--shard "$SLURM_ARRAY_TASK_ID/$SHARDS")
mkdir -p "$output"
if command -v apptainer >/dev/null; then
    exec apptainer run -B "$input:/input:ro" -B "$output:/output" "${SIF:-cmrseg-$recipe.sif}" \
        --resume "${part[@]}" "$@"
fi
# shellcheck disable=SC2086  # a command with its options
exec ${CMRSEG:-cmrseg} predict "$recipe" "$input" "$output" --resume "${part[@]}" "$@"
