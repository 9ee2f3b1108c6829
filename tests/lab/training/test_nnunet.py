"""nnU-Net's augmentation: how often, how strong, and where its patches lie."""

from math import erf, pi, sqrt

import monai.data
import monai.transforms as mt
import numpy as np
import pytest
import torch

from cmrseg_lab.training.augment import Patches
from cmrseg_lab.training.cache import Sample
from cmrseg_lab.training.nnunet import centre, transforms
from tiny import sample, training_config

PATCH = (4, 32, 32)
ZOOM, TURN, CUT, NOISE, BLUR, BRIGHTNESS, CONTRAST, RESOLUTION, INVERTED, GAMMA, *MIRRORS = range(
    12
)
SHARES = {
    ZOOM: 0.2,
    TURN: 0.2,
    NOISE: 0.1,
    BLUR: 0.2,
    BRIGHTNESS: 0.15,
    CONTRAST: 0.15,
    RESOLUTION: 0.25,
    INVERTED: 0.1,
    GAMMA: 0.3,
    MIRRORS[0]: 0.5,
    MIRRORS[1]: 0.5,
}
"""FACTS, section 1: how many patches in a hundred each of them changes."""


def drawn(which: int, image: np.ndarray, times: int = 400) -> list[np.ndarray]:
    """What one transform of the list made of an image, where it did anything."""
    monai.data.set_track_meta(False)
    transform = transforms(image.shape[1:])[which]
    given = torch.from_numpy(image.astype(np.float32))
    compose = mt.Compose([transform])
    compose.set_random_state(seed=which)
    made = [compose({"image": given.clone(), "label": given.clone()}) for _ in range(times)]
    images = [torch.as_tensor(one["image"]) for one in made]
    return [one.numpy() for one in images if not torch.equal(one, given)]


def exponents(which: int) -> np.ndarray:
    """Of curves, read off a ramp from 0 to 1 by where its middle goes."""
    ramp = np.linspace(0, 1, 17)[None, None].repeat(3, axis=1)
    rows = [one[0, 1].astype(float) for one in drawn(which, ramp)]
    share = np.array([(r[8] - r[0]) / (r[16] - r[0]) for r in rows])
    return np.log2(1 / (1 - share if which == INVERTED else share))


@pytest.mark.parametrize("which", SHARES)
def test_each_is_as_frequent_as_listed(which):
    image = np.random.default_rng(0).normal(size=(2, 12, 12))
    share, times = SHARES[which], 600
    changed = len(drawn(which, image, times)) / times
    # Resolutions close to the image's own leave it as it is: one zoom in twelve of 12 pixels.
    expected = share * (1 - 0.5 / 12 / 0.5) if which == RESOLUTION else share
    assert changed == pytest.approx(expected, abs=3 * sqrt(share * (1 - share) / times))


def test_sizes_go_from_07_to_14_alike_in_both_directions():
    square = np.zeros((1, 64, 64))
    square[:, 22:42, 22:42] = 1
    sizes = np.array([one.sum(axis=(1, 2))[0] for one in drawn(ZOOM, square)]) ** 0.5 / 20
    assert 0.68 < sizes.min() < 0.75 < 1.35 < sizes.max() < 1.43
    wide = [one[0].sum(axis=0).max() / one[0].sum(axis=1).max() for one in drawn(ZOOM, square)]
    assert wide == pytest.approx(np.ones(len(wide)), abs=0.05)


def test_turns_go_all_the_way_round_in_plane():
    off = np.zeros((2, 65, 65))
    off[0, 30:35, 50:55] = 1
    turned = drawn(TURN, off)
    assert not any(one[1].any() for one in turned)
    y, x = np.indices((65, 65)) - 32
    places = [((one[0] * y).sum(), (one[0] * x).sum(), one[0].sum()) for one in turned]
    away = [np.hypot(a, b) / mass for a, b, mass in places]
    assert away == pytest.approx(np.full(len(away), 20.0), abs=0.5)
    angles = np.array([np.arctan2(a, b) for a, b, _ in places])
    assert (np.histogram(angles, 6, (-pi, pi))[0] > 5).all()


def test_brightness_contrast_and_noise_stay_in_their_ranges():
    flat = [one.mean() / 2 for one in drawn(BRIGHTNESS, np.full((1, 8, 8), 2.0))]
    assert 0.75 <= min(flat) < 0.8 < 1.2 < max(flat) <= 1.25
    ramp = np.linspace(-1, 2, 25).reshape(1, 5, 5)
    curves = [one.ravel() for one in drawn(CONTRAST, ramp)]
    slopes = [(one[13] - one[11]) / 0.25 for one in curves]
    assert 0.749 <= min(slopes) < 0.8 < 1.2 < max(slopes) <= 1.251
    assert [one[12] for one in curves] == pytest.approx([0.5] * len(curves), abs=1e-6)
    assert all(one.min() >= -1 and one.max() <= 2 for one in curves)
    noise = [one.std() for one in drawn(NOISE, np.zeros((2, 40, 40)))]
    assert min(noise) < 0.02 < 0.08 < max(noise) < 0.105


def test_gammas_go_from_07_to_15_either_way_up():
    for which in (GAMMA, INVERTED):
        found = exponents(which)
        assert 0.69 < found.min() < 0.8 < 1.4 < found.max() < 1.51, which


def test_blur_is_of_half_a_voxel_to_one():
    point = np.zeros((1, 15, 15))
    point[0, 7, 7] = 1
    peaks = [one.max() for one in drawn(BLUR, point)]
    sharp, soft = (erf(0.5 / (sigma * sqrt(2))) ** 2 for sigma in (0.5, 1.0))
    assert soft * 0.99 < min(peaks) < max(peaks) < sharp * 1.01


def test_every_class_that_there_is_is_centred_on_as_often():
    """One voxel of class 4, none of 1 and 2, thousands of 3: 3 and 4 have half the patches each."""
    label = np.zeros((9, 60, 60), np.uint8)
    label[2:7, 18:42, 18:42] = 3
    label[4, 30, 33] = 4
    rng = np.random.default_rng(0)
    seen = [centre(rng, label, PATCH, 1.0) for _ in range(300)]
    codes = [int(label[at]) for at in seen]
    assert set(codes) == {3, 4}
    assert codes.count(4) / 300 == pytest.approx(0.5, abs=0.1)
    assert len(set(seen)) > 120


def test_a_third_of_the_patches_is_centred_on_a_class():
    label = np.zeros((9, 200, 200), np.uint8)
    label[4, 100, 100] = 2
    rng = np.random.default_rng(0)
    seen = [centre(rng, label, PATCH, 1 / 3) for _ in range(900)]
    assert seen.count((4, 100, 100)) / 900 == pytest.approx(1 / 3, abs=0.05)
    lows, highs = np.min(seen, axis=0), np.max(seen, axis=0)
    assert lows.tolist() == [2, 16, 16]
    assert highs.tolist() == [7, 184, 184]


@pytest.mark.parametrize(
    ("voxel", "nearest"),
    [((0, 0, 0), (2, 16, 16)), ((8, 47, 0), (7, 32, 16)), ((4, 20, 30), (4, 20, 16))],
)
def test_a_patch_stays_inside_and_as_near_to_its_voxel_as_borders_allow(voxel, nearest):
    label = np.zeros((9, 48, 32), np.uint8)
    label[voxel] = 1
    assert centre(np.random.default_rng(0), label, PATCH, 1.0) == nearest


def test_without_a_class_and_smaller_than_the_patch_it_is_the_middle():
    assert centre(np.random.default_rng(0), np.zeros((3, 20, 21), np.uint8), PATCH, 1.0) == (
        1,
        10,
        10,
    )


def test_the_centre_of_a_patch_is_the_voxel_it_was_centred_on():
    label = np.zeros((9, 90, 90), np.uint8)
    label[5, 40, 50] = 1
    shown = Sample(label.astype(np.float32), label, (10.0, 1.5, 1.5))
    config = training_config(
        "emidec", patch=PATCH, augmentation="nnunet", slice_contrast=0.0, on_heart=1.0
    )
    patches = Patches([shown], config)
    # Mirrored, the middle of an even number of voxels lies one voxel before.
    patches.transform.transforms = patches.transform.transforms[:-2]
    middles = [int(patches[i]["label"][2, 15:18, 15:18].max()) for i in range(12)]
    assert np.mean(middles) > 0.8


def test_patches_have_their_shape_and_labels_stay_on_their_image():
    shown = sample(0)
    image = (shown.label == 1).astype(np.float32) * 8 - 4
    config = training_config(
        "emidec", patch=PATCH, steps=20, augmentation="nnunet", slice_contrast=0.0, upside_down=True
    )
    patches = Patches([Sample(image, shown.label, shown.spacing_mm)], config)
    overlaps = []
    for i in range(30):
        patch = patches[i]
        assert patch["image"].shape == (1, *PATCH)
        assert patch["label"].shape == PATCH
        bright, cavity = patch["image"][0] > 0, patch["label"] == 1
        overlaps.append(2 * float((bright & cavity).sum()) / float(bright.sum() + cavity.sum()))
        assert torch.equal(patch["image"], Patches(patches.samples, config)[i]["image"])
    assert np.median(overlaps) > 0.98
    assert min(overlaps) > 0.8
