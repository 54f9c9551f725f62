#!/bin/bash
# Proves on a real SLURM that runs there are the runs they are here: two array jobs through hydra/launcher=submitit_slurm
# and one that is stopped by a signal and requeues itself, each compared with a local run byte for byte.
#
#   scripts/slurm/prove.sh [FOLDER]     needs root, slurm-wlm and munge; FOLDER must be empty (default: a temporary one)
#
# With SLURM_CONF set, it uses that cluster instead of one on this machine; then FOLDER must be on a shared disk.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
export PYTHON=${PYTHON:-$PWD/.venv/bin/python}
place=${1:-$(mktemp -d)}
mkdir -p "$place"
place=$(cd "$place" && pwd)
[ -z "$(ls -A "$place")" ] || { echo "prove.sh: $place must be empty. Give another folder." >&2; exit 1; }
# Same bytes, same number of threads.
export OMP_NUM_THREADS=1

small=(
    data=phantom "data.root=$place/phantom" "data.cache_dir=$place/cache" data.workers=1 "data.crop=[32,32]"
    data.batch_size=6 "model.widths=[8,16,32]" "model.strides=[2,2]" model.norm=batch optimizer.lr=0.005 trainer.amp=off
    trainer.image_every=0 evaluation.checkpoint_score=last
)
failures=0

check() { # what, command...
    local what=$1
    shift
    if "$@" > /dev/null; then echo "ok    $what"; else
        echo "FALSE $what"
        failures=$((failures + 1))
    fi
}

find_run() { find "$1" -type d -name "seed$2" 2> /dev/null | head -1; }

same_files() { # two run directories
    diff <(cd "$1" && find . -type f ! -name 'events.*' ! -name '.*' | sort) \
         <(cd "$2" && find . -type f ! -name 'events.*' ! -name '.*' | sort)
}

state_of() { "$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))["state"])' "$1/status.json"; }

if [ -z "${SLURM_CONF:-}" ]; then
    "$here/one_node.sh" start "$place/slurm"
    trap '"$here/one_node.sh" stop "$place/slurm"' EXIT
    eval "$("$here/one_node.sh" env "$place/slurm")"
fi
phantom='from mlseg.cli.phantom import main; main()'
"$PYTHON" -c "$phantom" root="$place/phantom" subjects=5 shape=3,48,40 > "$place/phantom.log"

echo "two array jobs"
sweep=(-m "${small[@]}" loss=mbls trainer.max_epochs=30 seed=1,2)
"$PYTHON" train.py "${sweep[@]}" output_root="$place/local" > "$place/local.log" 2>&1
array=(hydra/launcher=submitit_slurm hydra.launcher.cpus_per_task=1 hydra.launcher.timeout_min=30)
"$PYTHON" train.py "${sweep[@]}" "${array[@]}" output_root="$place/array" > "$place/array.log" 2>&1
sed -n '/^Sweep of/,$p' "$place/array.log"
squeue -h -r -t all -o 'job %i: %T after %M on %N'
for seed in 1 2; do
    there=$(find_run "$place/array" $seed) here_run=$(find_run "$place/local" $seed)
    check "seed $seed: scores.csv has the bytes of the local run" cmp "$there/scores.csv" "$here_run/scores.csv"
    check "seed $seed: bins.npz likewise" cmp "$there/bins.npz" "$here_run/bins.npz"
    check "seed $seed: the same files" same_files "$there" "$here_run"
done
before=$(squeue -h -r -t all | wc -l)
"$PYTHON" train.py "${sweep[@]}" "${array[@]}" output_root="$place/array" > "$place/again.log" 2>&1
check "typed again, both are done already" grep -q "2 of 2 runs are done already" "$place/again.log"
check "and no job was submitted" [ "$(squeue -h -r -t all | wc -l)" = "$before" ]

echo "one job that is stopped and requeues itself"
long=("${small[@]}" loss=ce "trainer.max_epochs=${EPOCHS:-60}")
"$PYTHON" train.py "${long[@]}" output_root="$place/whole" > "$place/whole.log" 2>&1
options=(--parsable --cpus-per-task=1 --gpus-per-node=0 --time=30 --output="$place/stopped.log")
job=$(sbatch "${options[@]}" "$here/train.sbatch" "${long[@]}" output_root="$place/stopped")
until grep -qs "epoch 3/" "$(find_run "$place/stopped" 1)/train.log"; do sleep 0.2; done
scancel --signal=USR1 "$job"
until squeue -h -t COMPLETED,FAILED,CANCELLED,TIMEOUT -j "$job" | grep -q .; do sleep 1; done
there=$(find_run "$place/stopped" 1)
squeue -h -t all -j "$job" -o 'job %i: %T'
check "it was stopped and queued again" grep -q "queued again" "$place/stopped.log"
check "it went on from where it was" grep -q "resumed" "$there/train.log"
check "it is done" [ "$(state_of "$there")" = done ]
check "scores.csv has the bytes of an unbroken local run" cmp "$there/scores.csv" "$(find_run "$place/whole" 1)/scores.csv"

if [ $failures = 0 ]; then echo "all as it should be"; else
    echo "$failures failures, see $place"
    exit 1
fi
