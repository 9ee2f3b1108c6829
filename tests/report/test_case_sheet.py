"""A case's picture: structures in their colours, the map beside them, the same bytes again."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageColor

from cmrseg.imaging import Geometry, Volume
from cmrseg.report.case_header import Head
from cmrseg.report.case_sheet import MARGIN, WIDE, SheetView, case_sheet
from cmrseg.report.overlay import COLOURS
from cmrseg.report.overview import overview
from cmrseg.report.status import FLAGGED, status_of
from report.made import cine
from tiny import heart

NAMES = {1: "LV", 2: "MYO", 3: "RV"}


def view(labels=None, maps=(), role="SA_ED"):
    image, found = heart()
    geometry = Geometry(shape=image.shape, spacing_mm=(8.0, 1.5, 1.5))
    mask = Volume((found if labels is None else labels).astype(np.uint8), geometry)
    volumes = {
        name: Volume(array.astype(np.float32), geometry) for name, array in dict(maps).items()
    }
    return SheetView(role=role, image=Volume(image, geometry), mask=mask, maps=volumes)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) / 255


def near(png, colour, tolerance=0.25):
    wanted = np.array(ImageColor.getrgb(colour)) / 255
    return int((np.abs(pixels(png) - wanted).max(-1) < tolerance).sum())


@pytest.mark.parametrize("label", NAMES)
def test_every_structure_is_outlined_in_its_colour(label):
    _, labels = heart()
    with_it = case_sheet("a", [view(labels)], NAMES)
    without = case_sheet("a", [view(np.where(labels == label, 0, labels))], NAMES)
    assert near(with_it, COLOURS[label]) > 2 * near(without, COLOURS[label]) > 0


def test_a_map_makes_a_second_side_and_shows_where_it_is_high():
    _, labels = heart()
    plain = pixels(case_sheet("a", [view()], NAMES))
    quiet = case_sheet("a", [view(maps={"entropy": np.zeros(labels.shape)})], NAMES)
    loud = case_sheet("a", [view(maps={"entropy": (labels == 3) * 0.7})], NAMES)
    assert pixels(loud).shape[1] > 1.6 * plain.shape[1]
    changed = (pixels(quiet) != pixels(loud)).any(-1)
    assert changed.any()
    assert not changed[:, : changed.shape[1] // 2].any(), "the contours' side stays as it is"


def test_what_quality_control_expects_is_shown_where_the_mask_has_nothing_near():
    labels, expected = (np.zeros((4, 40, 44), np.uint8) for _ in range(2))
    labels[0, 2:6, 2:6] = 1
    expected[3, 30:38, 32:42] = 3
    plain = view(labels)
    drawn = case_sheet("a", [replace(plain, expected=plain.mask.like(expected))], NAMES)
    nothing = case_sheet("a", [replace(plain, expected=plain.mask)], NAMES)
    assert near(drawn, COLOURS[3]) > 2 * near(nothing, COLOURS[3]) > 0, "more than in the legend"


def test_images_stand_beside_each_other_where_they_fit_and_an_empty_mask_is_drawn():
    empty = np.zeros((4, 40, 44))
    one, two, many = (pixels(case_sheet("a", [view(empty)] * n, NAMES)) for n in (1, 2, 4))
    assert two.shape[0] <= one.shape[0]
    assert two.shape[1] > one.shape[1]
    assert many.shape[0] - two.shape[0] > 100, "pixels: a row of its own"
    assert many.shape[1] <= WIDE + 2 * MARGIN
    assert one.std() > 0.1, "not blank"


def test_the_spread_of_samples_does_not_saturate():
    _, labels = heart()
    none, some, much = (
        pixels(case_sheet("a", [view(maps={"variance": (labels == 3) * spread**2})], NAMES))
        for spread in (0, 0.15, 0.25)
    )
    shown, told_apart = ((abs(one - much) > 0.1).any(-1).sum() for one in (none, some))
    assert told_apart > 0.8 * shown > 0


def test_numbers_of_the_case_stand_above_the_slices():
    record = cine("a", pdc=0.3)
    plain = pixels(case_sheet("a", [view()], NAMES))
    told = case_sheet("a", [view()], NAMES, verdict=status_of(record), overview=overview(record))
    assert pixels(told).shape[0] > plain.shape[0] + 60
    assert pixels(told).shape[1] >= Head(case="a", verdict=None, overview=overview(record)).wide
    assert near(told, FLAGGED.colour, 0.1) > 100, "the sign, the verdict and doubted numbers"


def test_the_same_case_gives_the_same_bytes_and_odd_names_are_drawn():
    assert case_sheet("$x_\udce4^", [view()], NAMES) == case_sheet("$x_\udce4^", [view()], NAMES)
