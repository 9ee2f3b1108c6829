"""Two sides' masks beside each other: striped where they differ, and a legend that says so."""

import io

import numpy as np
import pytest
from PIL import Image, ImageColor

from cmrseg.evaluation.compare_pictures import ComparedImage, picture
from cmrseg.imaging import Geometry, Volume
from cmrseg.report.legend import DIFFERS
from tiny import heart

NAMES = {1: "LV", 2: "MYO", 3: "RV"}


def masks(shift=0):
    image, found = heart()
    geometry = Geometry(shape=image.shape, spacing_mm=(8.0, 1.5, 1.5))
    one = Volume(found.astype(np.uint8), geometry)
    return Volume(image, geometry), one, one.like(np.roll(one.array, shift, axis=2))


def drawn(sides):
    scene = ComparedImage(role="SA_ED", masks=sides, image=masks()[0])
    png = picture("a: mean Dice 0.9", [scene], NAMES)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def striped(image):
    """How many pixels are of the stripes' colour, laid over something dark."""
    wanted = 0.9 * np.array(ImageColor.getrgb(DIFFERS))
    return int((np.abs(image - wanted).max(-1) < 30).sum())


@pytest.mark.parametrize("shift", [0, 3])
def test_what_differs_from_the_first_side_is_striped(shift):
    _, one, other = masks(shift)
    alone = striped(drawn({"new": one}))
    legend = striped(drawn({"new": one, "old": one})) - alone
    found = striped(drawn({"new": one, "old": other})) - alone - legend
    assert alone == 0
    assert legend > 50, "pixels of the legend's sample"
    assert found > 100 if shift else found == 0


def test_every_side_has_its_place():
    _, one, other = masks(2)
    two, three = drawn({"a": one, "b": other}), drawn({"truth": one, "a": one, "b": other})
    assert three.shape[1] > 1.4 * two.shape[1]
    assert three.shape[0] == two.shape[0]
