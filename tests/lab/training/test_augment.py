"""Patches follow from (seed, index) alone, and labels stay on their images."""

import numpy as np
import pytest
import torch

from cmrseg_lab.training.augment import Patches, RandFieldOfViewd, augmentation, crop
from cmrseg_lab.training.cache import Sample
from cmrseg_lab.training.config import GREY_GROUPS
from cmrseg_lab.training.loop import batches
from tiny import heart, sample, training_config


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in ("image", "label"))


@pytest.fixture(scope="module")
def samples():
    return [sample(0), sample(1)]


@pytest.mark.parametrize("recipe", ["emidec", "mnms2-sa"])
def test_a_patch_follows_from_seed_and_index(samples, recipe):
    config = training_config(recipe, steps=50)
    one, other = Patches(samples, config), Patches(samples, config)
    in_order = [one[i] for i in range(24)]
    np.random.default_rng(0).random()
    torch.manual_seed(99)
    for i in reversed(range(24)):
        assert same(other[i], in_order[i]), i
    assert not any(same(in_order[0], patch) for patch in in_order[1:])
    reseeded = Patches(samples, training_config(recipe, steps=50, seed=1))
    assert not same(reseeded[0], in_order[0])


def test_batches_do_not_depend_on_workers_or_interruption(samples):
    config = training_config("emidec", steps=8)
    straight = list(batches(config, samples, 0, workers=0))
    assert len(straight) == 8
    for done, workers in ((0, 2), (5, 0), (6, 1)):
        again = list(batches(config, samples, done, workers))
        assert len(again) == 8 - done
        assert all(same(a, b) for a, b in zip(again, straight[done:], strict=True))


def test_batches_leave_dropouts_random_numbers_alone(samples):
    before = torch.get_rng_state()
    next(batches(training_config("mnms2-sa"), samples, 0, workers=0))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("recipe", ["emidec", "mnms2-sa"])
def test_patches_have_their_shape_and_only_known_labels(samples, recipe):
    config = training_config(recipe, steps=20)
    for i in range(20):
        patch = Patches(samples, config)[i]
        assert patch["image"].shape == (1, *config.patch)
        assert patch["label"].shape == config.patch
        assert patch["image"].dtype == torch.float32
        assert patch["label"].dtype == torch.int64
        assert patch["image"].isfinite().all()
        assert set(patch["label"].unique().tolist()) <= {0, 1, 2, 3}


def test_labels_stay_on_their_image():
    """The image shows the label itself: however they are turned, one is read off the other."""
    _, label = heart(0)
    shown = Sample((label == 1).astype(np.float32) * 8 - 4, label, (10.0, 1.5, 1.5))
    config = training_config("mnms2-sa", steps=50, on_heart=1.0)
    patches = Patches([shown], config)
    overlaps = []
    for i in range(30):
        image, cavity = patches[i]["image"][0].numpy(), patches[i]["label"].numpy() == 1
        if cavity.sum() < 20:
            continue
        inside, outside = image[cavity].mean(), image[~cavity].mean()
        bright = (image > (inside + outside) / 2) == (inside > outside)
        overlaps.append(2 * (bright & cavity).sum() / (bright.sum() + cavity.sum()))
    assert len(overlaps) > 20
    assert np.median(overlaps) > 0.9


def test_most_patches_show_the_heart_where_asked():
    small = np.zeros((1, 200, 200), np.uint8)
    small[:, 20:40, 150:170] = 1
    lonely = Sample(small.astype(np.float32), small, (10.0, 1.5, 1.5))
    shown = {}
    for share in (0.0, 1.0):
        patches = Patches([lonely], training_config("mnms2-sa", steps=50, on_heart=share))
        shown[share] = np.mean([bool(patches[i]["label"].any()) for i in range(40)])
    assert shown[1.0] > 0.9
    assert shown[0.0] < 0.3


@pytest.mark.parametrize(
    ("depth", "slices"), [(d, s) for d in (4, 7, 8) for s in (1, 4, 5, 6, 7, 8) if s <= d]
)
def test_a_stack_no_deeper_than_the_patch_keeps_all_its_slices(depth, slices):
    image = np.broadcast_to(np.arange(slices, dtype=np.float32)[:, None, None], (slices, 9, 9))
    stack = Sample(image, np.ones((slices, 9, 9), np.uint8), (10.0, 1.5, 1.5))
    patches = Patches([stack], training_config("emidec", patch=(depth, 8, 8)))
    z, _, _ = patches._centre(np.random.default_rng(0), stack, patches.hearts[0])
    seen = crop(image, (z, 4, 4), (depth, 8, 8))[:, 0, 0]
    assert set(seen.tolist()) == set(range(slices))
    assert (np.diff(seen) >= 0).all()


@pytest.mark.parametrize("depth", [1, 4, 5, 8])
def test_a_deeper_stack_is_seen_from_end_to_end_and_not_beyond(depth):
    image = np.broadcast_to(np.arange(9, dtype=np.float32)[:, None, None], (9, 8, 8))
    stack = Sample(image, np.ones((9, 8, 8), np.uint8), (10.0, 1.5, 1.5))
    patches = Patches([stack], training_config("emidec", patch=(depth, 8, 8)))
    rng = np.random.default_rng(0)
    centres = {patches._centre(rng, stack, patches.hearts[0])[0] for _ in range(200)}
    seen = [crop(image, (z, 4, 4), (depth, 8, 8))[:, 0, 0].tolist() for z in sorted(centres)]
    assert seen == [list(range(first, first + depth)) for first in range(9 - depth + 1)]


@pytest.mark.parametrize("upside_down", [False, True])
def test_stacks_are_shown_upside_down_where_asked_with_their_labels(upside_down):
    slices = np.broadcast_to(np.arange(1, 4)[:, None, None], (3, 16, 16))
    stack = Sample(slices.astype(np.float32), slices.astype(np.uint8), (10.0, 1.5, 1.5))
    config = training_config("emidec", patch=(3, 16, 16), upside_down=upside_down)
    patches = Patches([stack], config)
    patches.transform.transforms = ()
    shown = [patches[i] for i in range(20)]
    orders = {tuple(one["label"][:, 8, 8].tolist()) for one in shown}
    assert orders == ({(1, 2, 3), (3, 2, 1)} if upside_down else {(1, 2, 3)})
    assert all(torch.equal(one["image"][0], one["label"].float()) for one in shown)


def test_beyond_the_volume_the_edge_goes_on():
    array = np.arange(12).reshape(1, 3, 4)
    box = crop(array, (0, 0, 3), (1, 4, 4))
    assert box[0].tolist() == [[1, 2, 3, 3], [1, 2, 3, 3], [1, 2, 3, 3], [5, 6, 7, 7]]


def test_a_field_of_view_changes_the_grey_scale_and_nothing_else():
    """Between half a step away from the patch's own z-score and the whole way to it."""
    image = torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 + 1.5
    transform = RandFieldOfViewd(["image"], prob=1.0)
    transform.set_random_state(seed=0)
    means = []
    for _ in range(64):
        seen = transform({"image": image, "label": image})
        assert seen["label"] is image
        ratio = (seen["image"] - seen["image"].mean()) / (image - image.mean())
        assert torch.allclose(ratio, ratio.flatten()[0].expand_as(ratio), atol=1e-3)
        means.append(float(seen["image"].mean()))
    own = float(image.mean())
    assert min(abs(m) for m in means) < 0.1 * own
    assert own < max(means) < 6 * own


def test_a_field_of_view_of_nothing_but_air_is_not_blown_up():
    transform = RandFieldOfViewd(["image"], prob=1.0)
    seen = [transform({"image": torch.full((2, 8, 8), -1.0)})["image"] for _ in range(16)]
    assert all(torch.isfinite(image).all() and image.abs().max() < 4 for image in seen)


def grey(**changed):
    """The grey-scale transforms, each by its name and how often it is applied."""
    applied = augmentation(training_config("mnms2-sa", **changed)).transforms[4:]
    return [
        (type(t).__name__.removeprefix("Rand").removesuffix("d"), how_often(t)) for t in applied
    ]


def how_often(transform):
    inner = next((v for k, v in vars(transform).items() if k in HOLDERS), transform)
    return max(inner.prob, transform.prob)


HOLDERS = ("rand_gaussian_noise", "rand_bias_field")


def test_one_and_many_scanners_keep_the_order_that_committed_weights_learned_with():
    """The draws of a transform follow from its place."""
    assert [name for name, _ in grey(scanners="one")] == [
        *("FieldOfView", "GaussianNoise", "GaussianSmooth", "ScaleIntensity"),
        *("SimulateLowResolution", "AdjustContrast", "BiasField"),
    ]
    assert [name for name, _ in grey(scanners="many")] == [
        *("GaussianNoise", "SimulateLowResolution", "GaussianSmooth", "GibbsNoise"),
        *("AdjustContrast", "AdjustContrast", "HistogramShift", "BiasField"),
        *("ScaleIntensity", "ShiftIntensity", "GaussianNoise"),
    ]


def test_groups_change_from_one_scanners_to_manys_and_nothing_else_does():
    usual, strong = grey(grey=()), grey(scanners="many")
    assert sorted(usual) == sorted(grey(scanners="one")[1:])
    assert grey(grey=GREY_GROUPS) == [("FieldOfView", 0.5), *strong]
    own = {
        "field-of-view": {"FieldOfView"},
        "noise": {"GaussianNoise"},
        "resolution": {"SimulateLowResolution", "GaussianSmooth"},
        "contrast": {"AdjustContrast", "HistogramShift"},
        "intensity": {"ScaleIntensity", "ShiftIntensity"},
        "artefacts": {"GibbsNoise", "BiasField"},
    }
    assert set(own) == set(GREY_GROUPS)
    for group, names in own.items():
        seen = grey(grey=(group,))
        as_strong = [t for t in grey(grey=GREY_GROUPS) if t[0] in names]
        assert [t for t in seen if t[0] in names] == as_strong, group
        assert [t for t in seen if t[0] not in names] == [t for t in usual if t[0] not in names]


def test_a_stronger_group_changes_the_images_and_no_label(samples):
    patches = {
        groups: Patches(samples, training_config("mnms2-sa", steps=50, grey=groups))
        for groups in ((), *((g,) for g in GREY_GROUPS))
    }
    for groups in list(patches)[1:]:
        pairs = [(patches[()][i], patches[groups][i]) for i in range(40)]
        assert all(torch.equal(a["label"], b["label"]) for a, b in pairs)
        assert sum(not torch.equal(a["image"], b["image"]) for a, b in pairs) > 10, groups
