"""The short axis's training: folds, augmented stacks, loss, and going on where it stood."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
import torch
from safetensors.torch import load_file

from cmrseg_lab.synthetic.synthesize import synthesize
from cmrseg_lab.training import cine_loop
from cmrseg_lab.training.cine_cache import UNKNOWN, Patient, Phase, folds, load
from cmrseg_lab.training.cine_loop import Preset, cross_entropy, dice_by_volume, fit
from cmrseg_lab.training.cine_patches import Augmentation, Stacks, rescaled
from cmrseg_lab.training.prepare_cine import prepare_folder

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def usual_sigterm():
    """Training answers SIGTERM by itself; afterwards the signal is as it was."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def patient(seed, slices=5):
    """Both phases: noise, and a disc of each structure."""
    rng = np.random.default_rng(seed)
    label = np.zeros((slices, 64, 72), np.uint8)
    label[1:, 20:44, 20:40], label[1:, 26:38, 26:34] = 2, 1
    label[1:, 24:36, 42:54] = 3
    image = (rng.normal(0, 0.3, label.shape) + label).astype(np.float16)
    return {"ED": Phase(image, label), "ES": Phase(image + 1, label)}


def stacks(augmentation=Augmentation(), seed=0):
    return Stacks([patient(0), patient(1, slices=2)], (4, 32, 32), augmentation, seed, 100)


def entry(source, name, vendor="A", disease="NOR"):
    return Patient(
        source=source,
        patient=name,
        vendor=vendor,
        disease=disease,
        spacing_z_mm=8.0,
        phases=("ED",),
    )


def test_one_scan_under_two_names_is_in_one_fold_and_groups_are_dealt_evenly():
    everyone = [entry("acdc", f"{n:03d}") for n in range(70, 79)]
    everyone += [entry("mnms1", f"{n}", vendor="B") for n in range(6)]
    dealt = folds(everyone, 3)
    assert dealt["acdc", "074"] == dealt["acdc", "076"]
    counts = np.bincount([f for (source, _), f in dealt.items() if source == "mnms1"])
    assert counts.tolist() == [2, 2, 2]


def test_a_sample_follows_from_seed_and_index_alone():
    one, again, other = stacks()[3], stacks()[3], stacks(seed=1)[3]
    assert torch.equal(one["image"], again["image"])
    assert torch.equal(one["label"], again["label"])
    assert not torch.equal(one["image"], other["image"])
    assert one["image"].shape == (2, 4, 32, 32)
    assert one["label"].shape == (4, 32, 32)


@pytest.mark.parametrize(("share", "shown"), [(0.0, False), (1.0, True)])
def test_the_other_phase_is_shown_as_often_as_asked(share, shown):
    samples = stacks(Augmentation(other_phase=share))
    assert all(bool(samples[i]["image"][1].any()) == shown for i in range(6))


def test_the_scale_is_that_of_the_middle():
    image = torch.randn(3, 1, 40, 40) * 4 + 7
    image[..., :10, :] += 100
    middle = rescaled(image, 0.5)[..., 10:30, 10:30]
    assert abs(float(middle.mean())) < 1e-4
    assert float(middle.std()) == pytest.approx(1, abs=1e-2)


def test_dice_is_taken_by_volume():
    truth = torch.zeros(2, 1, 8, 8, dtype=torch.long)
    truth[0, :, :6, :6], truth[1, :, :2, :2] = 1, 1
    right = torch.nn.functional.one_hot(truth, 2).movedim(-1, 1).float() * 50
    assert float(dice_by_volume(right, truth)) == pytest.approx(0, abs=1e-4)
    lost = right.clone()
    lost[1] = right[1].flip(0)  # the small one is missed: half of the loss, however small it is
    assert float(dice_by_volume(lost, truth)) > 0.4


def test_a_run_leaves_weights_and_their_average_and_is_never_mixed_with_another(tmp_path):
    shape = {"features": (4, 8), "across": (False, True), "patch": (2, 16, 16), "batch": 1}
    whole = replace(Preset.read("short_axis", steps=4), **shape)

    def run(folder, preset):
        about = {"fold": 0, "seed": 0, "without": None, "patients": ["acdc-1.npz"]}
        fit(preset, [patient(0)], [], tmp_path / folder, seed=0, device=CPU, about=about, workers=0)

    with pytest.raises(ValueError, match="deep_supervision"):
        run("shallow", whole)  # three heads need four stages
    deep = replace(whole, features=(2, 2, 4, 4), across=(False, False, True, True))
    run("once", deep)
    stored = load_file(tmp_path / "once" / "checkpoint.safetensors")
    assert any(name.startswith("average.") for name in stored)
    with pytest.raises(SystemExit):
        run("once", replace(deep, learning_rate=1.0))


def test_a_stopped_run_goes_on_exactly_where_it_stood(tmp_path, monkeypatch):
    preset = replace(
        Preset.read("short_axis", steps=4),
        features=(2, 2, 4, 4),
        across=(False, False, True, True),
        patch=(2, 16, 16),
        batch=1,
    )

    def run(folder):
        about = {"fold": 0, "seed": 0, "without": None, "patients": []}
        fit(preset, [patient(0)], [], tmp_path / folder, seed=0, device=CPU, about=about, workers=0)

    take = cine_loop._step

    def stopped(network, optimiser, batch, preset, at, device):
        if at == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return take(network, optimiser, batch, preset, at, device)

    run("whole")
    monkeypatch.setattr(cine_loop, "_step", stopped)
    with pytest.raises(SystemExit):
        run("parts")
    monkeypatch.undo()
    run("parts")
    whole, parts = (load_file(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_where_only_the_lv_is_drawn_the_others_may_be_anything():
    truth = torch.full((1, 1, 8, 8), UNKNOWN)
    truth[:, :, :4] = 1
    lv = torch.zeros(1, 4, 1, 8, 8)
    lv[:, 1, :, :4] = 50
    for others in (0, 2, 3):
        said = lv.clone()
        said[:, others, :, 4:] = 50
        assert float(dice_by_volume(said, truth)) == pytest.approx(0, abs=1e-4)
        assert float(cross_entropy(said, truth)) == pytest.approx(0, abs=1e-4)
    wrong = lv.clone()
    wrong[:, 1, :, 4:] = 50
    assert float(cross_entropy(wrong, truth)) > 1


def test_a_cache_of_long_axes_is_made_of_all_three_kinds_of_data(tmp_path):
    frames = tmp_path / "frames"
    for kind in ("images", "masks"):
        (frames / kind).mkdir(parents=True)
        picture = np.zeros((40, 40), np.uint8)
        picture[10:30, 10:30] = 200
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(picture), frames / kind / "7_0001.png")
    (frames / "frames.csv").write_text("file,patient,frame,pixel_mm\n7_0001.png,7,0001,nan\n")
    synthesize("mnms2", tmp_path / "both", patients=1, jobs=1)
    synthesize("mnms2", tmp_path / "short", patients=1, jobs=1)
    for path in (tmp_path / "short").rglob("*_LA_*"):
        path.unlink()
    cache = tmp_path / "cache"
    cache.mkdir()
    found = [
        one
        for name in ("frames", "both", "short")
        for one in prepare_folder(tmp_path / name, name, "LA", cache)
    ]
    assert [len(one.phases) for one in found] == [1, 2, 6]
    for one in found:
        for phase in load(cache, one).values():
            assert phase.image.shape == phase.label.shape
            assert set(np.unique(phase.label)) <= {0, 1, 2, 3, UNKNOWN}
