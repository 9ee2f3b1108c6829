"""What networks are shown of an image, and how their answers get back into it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.models.ensemble import Segmenter
from cmrseg.models.roi_crop import MARGIN, STEP, Roi
from cmrseg.models.unet import UNet
from tiny import network_config

SHAPE = (3, 160, 200)


def image(shape=SHAPE):
    rng = np.random.default_rng(0)
    array = rng.normal(size=shape).astype(np.float32)
    return Volume(array, Geometry(shape, (10.0, 1.5, 1.5)))


class Looker:
    """Networks that see a heart in some box."""

    networks = (None, None)
    preparation = "nonzero"

    def __init__(self, box, shape=SHAPE):
        self.found = np.zeros((5, *shape), np.float32)
        self.found[0] = 0.5
        if box:
            self.found[2][box] = 1.0
        self.looks = 0

    def look(self, picture):
        self.looks += 1
        return SimpleNamespace(maps=self.found[None], seconds=0.5, warnings=("slow",))


def test_the_heart_and_a_margin_are_shown():
    looker = Looker(np.s_[1:, 70:90, 100:130])
    roi = Roi.on(looker, image(), passes=28)
    assert roi.box[1:] == (slice(70 - MARGIN, 90 + MARGIN), slice(100 - MARGIN, 130 + MARGIN))
    np.testing.assert_array_equal(roi.image.array, image().array[roi.box])
    assert roi.image.array.shape[0] == SHAPE[0], "slices are never left out"
    assert roi.image.spacing_mm == image().spacing_mm
    assert (roi.seconds, roi.warnings) == (0.5, ("slow",))
    assert roi.share == pytest.approx((20 + 2 * MARGIN) * (30 + 2 * MARGIN) / (160 * 200))


def test_a_speck_far_away_is_not_looked_at_and_borders_are_kept():
    looker = Looker(np.s_[:, 0:20, 100:130])
    looker.found[2, 0, 150, 5] = 1.0
    roi = Roi.on(looker, image(), passes=28)
    assert roi.box[1] == slice(0, 20 + MARGIN)
    assert roi.box[2].start == 100 - MARGIN


@pytest.mark.parametrize(
    ("box", "shape", "passes", "looks"),
    [
        (None, SHAPE, 28, 1),  # no heart
        (np.s_[:, 20:150, 20:180], SHAPE, 28, 1),  # nearly everything
        (np.s_[:, 70:90, 100:130], SHAPE, 7, 0),  # few passes
        (np.s_[:, 20:40, 20:40], (3, 120, 200), 28, 0),  # a small image
    ],
)
def test_else_everything_is(box, shape, passes, looks):
    looker = Looker(box, shape)
    roi = Roi.on(looker, image(shape), passes)
    assert looker.looks == looks
    np.testing.assert_array_equal(roi.image.array, image(shape).array)
    assert roi.share == 1
    maps = np.ones((5, *shape), np.float32)
    assert roi.back(maps) is maps
    assert roi.probabilities(maps) is maps


def test_answers_get_back_to_where_they_belong():
    roi = Roi.on(Looker(np.s_[:, 70:90, 100:130]), image(), passes=28)
    rng = np.random.default_rng(1)
    said = rng.random((5, *roi.image.array.shape)).astype(np.float32)
    said /= said.sum(axis=0)
    whole = roi.probabilities(said)
    np.testing.assert_array_equal(whole[(slice(None), *roi.box)], said)
    np.testing.assert_allclose(whole.sum(axis=0), 1, atol=1e-6)
    assert whole[0, 0, 0, 0] == 1
    variance = roi.back(said[:1])
    assert variance.sum() == pytest.approx(said[:1].sum(), rel=1e-4)


def test_a_look_is_one_pass_a_network():
    torch.manual_seed(0)
    networks = [UNet(network_config("emidec")).eval() for _ in range(2)]
    segmenter = Segmenter(networks, torch.device("cpu"), "fp32")
    picture = image((3, 32, 40))
    looked, expected = segmenter.look(picture), segmenter.mirrored(picture, 1)
    np.testing.assert_allclose(looked.maps, expected.maps, atol=1e-6)


@pytest.mark.parametrize(("first", "last"), [(0, 3), (40, 60), (90, 99)])
def test_rounded_boxes_hold_the_heart_its_margin_and_no_more_than_the_image(first, last):
    heart = np.zeros((2, 100, 300), bool)
    heart[:, first : last + 1, first : last + 1] = True
    image = Volume(np.zeros(heart.shape, np.float32), Geometry(heart.shape, (8.0, 1.5, 1.5)))
    roi = Roi.rounded(image, heart)
    for part, total in zip(roi.box[1:], heart.shape[1:], strict=True):
        size = part.stop - part.start
        assert size % STEP == 0 or size == total
        assert part.start <= max(0, first - MARGIN)
        assert part.stop >= min(total, last + MARGIN + 1)


def test_a_box_has_a_scale_of_its_own():
    array = np.zeros((1, 96, 96), np.float32)
    array[0, 30:60, 30:60] = np.random.default_rng(0).normal(700, 90, (30, 30))
    image = Volume(array, Geometry(array.shape, (8.0, 1.5, 1.5)))
    roi = Roi.rounded(image, array > 0)
    scaled = roi.rescaled(array)
    assert scaled.shape == roi.image.array.shape
    assert abs(float(scaled.mean())) < 1e-4
    assert float(scaled.std()) == pytest.approx(1, abs=1e-3)
    assert np.array_equal(roi.rescaled(np.full_like(array, 7)), np.zeros_like(scaled))
