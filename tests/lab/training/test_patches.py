"""Augmented stacks: what a sample is, and that it follows from seed and index."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cmrseg_lab.training.cache import UNKNOWN, Sample
from cmrseg_lab.training.patches import Stacks, rescaled
from cmrseg_lab.training.preset import Augmentation
from tiny import segmenter_preset


def patient(seed, slices=5):
    """Both phases: noise, and a disc of each structure."""
    rng = np.random.default_rng(seed)
    label = np.zeros((slices, 64, 72), np.uint8)
    label[1:, 20:44, 20:40], label[1:, 26:38, 26:34] = 2, 1
    label[1:, 24:36, 42:54] = 3
    image = (rng.normal(0, 0.3, label.shape) + label).astype(np.float16)
    spacing = (8.0, 1.5, 1.5)
    return {"ED": Sample(image, label, spacing), "ES": Sample(image + 1, label, spacing)}


def stacks(augmentation=Augmentation(), seed=0, channels=2, patients=None):
    preset = segmenter_preset("mnms2-sa", channels=channels, patch=(4, 32, 32), steps=50)
    preset = replace(preset, augmentation=augmentation)
    return Stacks(patients or [patient(0), patient(1, slices=2)], preset, seed)


def test_a_sample_follows_from_seed_and_index_alone():
    one, again, other = stacks()[3], stacks()[3], stacks(seed=1)[3]
    assert torch.equal(one["image"], again["image"])
    assert torch.equal(one["label"], again["label"])
    assert not torch.equal(one["image"], other["image"])
    assert one["image"].shape == (2, 4, 32, 32)
    assert one["label"].shape == (4, 32, 32)
    assert len(stacks()) == 100


@pytest.mark.parametrize(("share", "shown"), [(0.0, False), (1.0, True)])
def test_the_other_phase_is_shown_as_often_as_asked(share, shown):
    samples = stacks(Augmentation(other_phase=share))
    assert all(bool(samples[i]["image"][1].any()) == shown for i in range(6))
    assert stacks(Augmentation(other_phase=share), channels=1)[0]["image"].shape[0] == 1


def test_patches_are_near_the_heart_as_often_as_asked():
    near = stacks(Augmentation(on_heart=1.0))
    assert all((near[i]["label"] > 0).any() for i in range(20))


def test_what_nobody_drew_is_no_heart_and_stays_unknown():
    label = np.full((1, 64, 64), UNKNOWN, np.uint8)
    label[:, 28:36, 28:36] = 1
    frame = Sample(np.random.default_rng(0).normal(size=label.shape), label, (8.0, 1.5, 1.5))
    assert frame.partial
    shown = stacks(Augmentation(on_heart=1.0), patients=[{"frame": frame}], channels=1)
    for i in range(10):
        known = set(shown[i]["label"].unique().tolist())
        assert {1, UNKNOWN} <= known <= {0, 1, UNKNOWN}


def test_the_scale_is_that_of_the_middle():
    image = torch.randn(3, 1, 40, 40) * 4 + 7
    image[..., :10, :] += 100
    middle = rescaled(image, 0.5)[..., 10:30, 10:30]
    assert abs(float(middle.mean())) < 1e-4
    assert float(middle.std()) == pytest.approx(1, abs=1e-2)


def test_thin_slices_come_in_pairs():
    plain = Augmentation(grey=0.0, slice_contrast=0.0, shifted_slices=0.0, thin=1.0)
    label = stacks(plain)[0]["label"]
    assert torch.equal(label[0], label[1])
    assert torch.equal(label[2], label[3])


def test_every_contrast_leaves_labels_as_they_are():
    changed = stacks(Augmentation(curves=1.0, arbitrary=0.5, tissues=1.0))
    for i in range(8):
        sample = changed[i]
        assert torch.isfinite(sample["image"]).all()
        assert set(sample["label"].unique().tolist()) <= {0, 1, 2, 3}
