#!/bin/sh
# Train the networks of weights/ anew: short-axis, long-axis or emidec. `make weights-...` calls it.
# Hours on two cores; stopped and called again, a training goes on at its last checkpoint.
set -eu
cd "$(dirname "$0")/.."
lab=.venv/bin/cmrseg-lab
acdc=${ACDC:-data/acdc_as_mnms2} mnms1=${MNMS1:-data/mnms1_as_mnms2}
dsb2=${DSB2:-data/dsb2_4ch} emidec=${EMIDEC:-data/emidec_from_png}

short_axis() { # SHORT=short_axis_large on a GPU
    cache=cache/short-axis hearts=cache/short-axis-hearts
    $lab prepare mnms2-sa $cache acdc="$acdc" mnms1="$mnms1"
    $lab train "${SHORT:-short_axis}" $cache runs/short-axis --fold 0
    $lab train qc_short_axis $cache runs/qc-short-axis --fold 0
    $lab pack mnms2 weights/mnms2 runs/short-axis/checkpoint.safetensors \
        runs/qc-short-axis/checkpoint.safetensors --keep weights/mnms2
    # Slices of synthetic cases, which may travel in a bundle, for refinement.
    $lab synthesize mnms2 $hearts --patients 24 --seed 7
    $lab prepare mnms2-sa $cache synthetic=$hearts
    $lab calibrate mnms2-sa $cache --weights weights/mnms2
}

long_axis() {
    cache=cache/long-axis
    $lab synthesize mnms2 cache/synthetic --patients 240 --seed 7
    $lab prepare mnms2-la $cache dsb2="$dsb2" acdc-reformatted="$acdc" \
        mnms1-reformatted="$mnms1" synthetic=cache/synthetic
    $lab train long_axis $cache runs/long-axis-0 --fold 0
}

late_enhancement() { # the network for any contrast; the folds' come from `cmrseg-lab train emidec`
    # Anatomy first, from cine alone.
    $lab prepare emidec cache/cine acdc-implanted="$acdc" mnms1-implanted="$mnms1"
    $lab train emidec_anatomy cache/cine runs/emidec-anatomy --fold 0
    $lab pack emidec runs/emidec-anatomy-bundle/emidec runs/emidec-anatomy/checkpoint.safetensors
    $lab prepare emidec cache/emidec emidec="$emidec" acdc-implanted="$acdc" \
        mnms1-implanted="$mnms1"
    $lab train emidec_any cache/emidec runs/emidec-any --fold 0 --seed 1 \
        --start runs/emidec-anatomy-bundle
    $lab pack emidec weights/emidec runs/emidec-any/checkpoint.safetensors \
        --keep weights/emidec --fallback
}

case ${1:-} in
short-axis) short_axis ;;
long-axis) long_axis ;;
emidec) late_enhancement ;;
*) echo "usage: docker/weights.sh short-axis|long-axis|emidec" >&2 && exit 2 ;;
esac
