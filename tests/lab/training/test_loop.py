"""The one loop: it learns, stops and goes on exactly, and several processes share a batch."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cmrseg.runtime.errors import UsageError
from cmrseg_lab.training import loop
from cmrseg_lab.training.loop import CHECKPOINT, LOG, TrainingStoppedError, fit
from cmrseg_lab.training.preset import Augmentation
from cmrseg_lab.training.segmenter import Segmenters
from tiny import sample, segmenter_preset

CPU = torch.device("cpu")
HEARTS = [{"ED": sample(0)}, {"ED": sample(1)}]
ABOUT = {"fold": 0, "without": None, "seed": 0, "patients": [["hospital", "000"]]}


def run(folder, recipe="emidec", seed=0, **changed):
    task = Segmenters(segmenter_preset(recipe, **changed), HEARTS, HEARTS[:1])
    return fit(task, folder, seed=seed, device=CPU, about=ABOUT | {"seed": seed}, workers=0)


def same(one, other):
    one, other = load_file(one), load_file(other)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_it_learns_and_tells_what_it_learned(tmp_path):
    plain = Augmentation(on_heart=1.0, other_phase=0.0, non_linear=0.0, grey=0.0, turned=0.0)
    # Narrower networks leave a structure out now and then, by the last bits of their numbers.
    options = {"steps": 160, "look_every": 80, "learning_rate": 5e-3, "features": (8, 16, 16)}
    run(tmp_path, "mnms2-sa", augmentation=plain, **options)
    looks = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [look["step"] for look in looks] == [80, 160]
    assert sum(looks[-1]["held out"].values()) / 3 > 0.7
    assert set(looks[-1]) == {"step", "held out", "trained on"}


@pytest.mark.parametrize("options", [{}, {"samples": 2, "alpha": 3.0, "samples_from": 0.4}])
def test_a_stopped_run_goes_on_exactly_where_it_stood(tmp_path, monkeypatch, options):
    """Dropout's masks too."""
    options = {"steps": 4, "average_from": 0.5, **options}
    whole = run(tmp_path / "whole", **options)
    take = loop.take_step

    def stopping(trainee, optimiser, batch, task, seed, step, *rest):
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return take(trainee, optimiser, batch, task, seed, step, *rest)

    monkeypatch.setattr(loop, "take_step", stopping)
    with pytest.raises(TrainingStoppedError):
        run(tmp_path / "parts", **options)
    monkeypatch.undo()
    assert same(whole, run(tmp_path / "parts", **options))


def test_a_run_is_never_mixed_with_another(tmp_path):
    path = run(tmp_path, steps=2)
    before = path.read_bytes()
    for changed in ({"learning_rate": 1.0}, {"seed": 1}):
        with pytest.raises(UsageError, match="another training"):
            run(tmp_path, steps=2, **changed)
    assert path.read_bytes() == before


def test_the_mean_of_the_weights_is_what_is_packed(tmp_path):
    stored = load_file(run(tmp_path / "mean", steps=4, average_from=0.5))
    assert any(name.startswith("average.") for name in stored)
    stored = load_file(run(tmp_path / "last", steps=4))
    assert not any(name.startswith("average.") for name in stored)


SHARED = """
import sys, torch
from lab.training.test_loop import run
torch.set_num_threads(1)
run(__import__("pathlib").Path(sys.argv[1]), "mnms2-sa", steps=2, optimiser="sgd", batch=2)
"""


def test_processes_share_a_batch(tmp_path):
    """Torchrun as in the training image; a batch that cannot be shared evenly is refused."""
    tests = Path(__file__).parents[2]
    paths = [str(tests), str(tests.parent / "src")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    (tmp_path / "shared.py").write_text(SHARED)

    def together(count):
        command = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        command += [str(tmp_path / "shared.py"), str(tmp_path / f"run{count}")]
        return subprocess.run(
            [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=120
        )

    done = together(2)
    assert done.returncode == 0, done.stderr
    alone = run(tmp_path / "alone", "mnms2-sa", steps=2, optimiser="sgd", batch=2)
    shared, single = (load_file(p) for p in (tmp_path / "run2" / CHECKPOINT, alone))
    weight = "network.encoder.0.first.conv.weight"
    assert shared[weight].shape == single[weight].shape
    assert (tmp_path / "run2" / LOG).read_text().count("\n") == 1
    assert "cannot be shared evenly" in together(3).stderr
