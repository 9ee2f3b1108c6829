"""``docker/train.sh``: how the training image's arguments become a cmrseg command."""

import os
import subprocess
from pathlib import Path

import pytest

ENTRY = Path(__file__).parents[2] / "docker/train.sh"
WHOLE = "cmrseg-lab train emidec --data /data --out /weights"
SHARED = "torchrun --standalone --nproc-per-node 2 --no-python cmrseg-lab train"


def call(folder, given, shared_kb=1_000_000, **environment):
    """What the script ran, by stand-ins that tell how they were called."""
    answers = {
        "cmrseg-lab": 'echo "cmrseg-lab $*"',
        "torchrun": 'echo "torchrun $*"',
        "df": f"printf 'size used available\\n1 {shared_kb} 3\\n'",
    }
    for name, answer in answers.items():
        (folder / name).write_text(f"#!/bin/sh\n{answer}\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        [str(ENTRY), *given.split()],
        env={"PATH": f"{folder}:{os.environ['PATH']}"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("given", "gpus", "called"),
    [
        ("train emidec", "1", WHOLE),
        ("train emidec --folds 0 1", "1", f"{WHOLE} --folds 0 1"),
        ("train emidec c r --fold 2", "1", "cmrseg-lab train emidec c r --fold 2"),
        ("train emidec c r --fold 2", "2", f"{SHARED} emidec c r --fold 2"),
        ("prepare emidec c x=/data", "2", "cmrseg-lab prepare emidec c x=/data"),
        ("train", "1", "cmrseg-lab train"),
    ],
)
def test_arguments(tmp_path, given, gpus, called):
    done = call(tmp_path, given, GPUS=gpus)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == called


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ("train emidec --workers 3", f"{WHOLE} --workers 0 --workers 3"),
        ("train emidec c r", "cmrseg-lab train --workers 0 emidec c r"),
    ],
)
def test_where_shared_memory_is_little_patches_are_made_in_line(tmp_path, given, called):
    """Unless the user says otherwise: the last of an option's values counts."""
    lines = call(tmp_path, given, shared_kb=65536).stdout.splitlines()
    assert lines[0].startswith("train.sh: 64 MB of /dev/shm")
    assert lines[1] == called


def test_several_gpus_share_one_network_not_a_whole_bundle(tmp_path):
    done = call(tmp_path, "train emidec", GPUS="2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("train.sh: GPUS=2 share one network")
