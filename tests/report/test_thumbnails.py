"""Pixels of slices: where they lie, what is drawn on them, and what is left as it was."""

import numpy as np
import pytest
from PIL import ImageColor

from cmrseg.report.thumbnails import Pen, Sheet, heat_bar, heated, square, window_around

SHEET = Sheet(tile=(40, 50), columns=3)
DISC = np.hypot(*(np.indices((20, 25)) - np.array([10, 12])[:, None, None])) < 6


def near(pixels, colour):
    return (np.abs(pixels - np.array(ImageColor.getrgb(colour), int)).max(-1) < 60).sum()


def test_slices_next_to_the_heart_and_missed_ones_are_shown():
    mask = np.zeros((9, 3, 3))
    mask[[2, 4, 5], 1, 1] = 1
    assert window_around(mask, 12) == [1, 2, 3, 4, 5, 6]
    assert window_around(mask, 3) == [1, 4, 6]
    assert window_around(np.zeros((3, 3, 3)), 8) == [0, 1, 2]


def test_a_window_is_square_in_mm_and_stays_in_the_image():
    mask = np.zeros((1, 100, 100), np.uint8)
    mask[0, 40:60, 45:55] = 1
    rows, columns = square(mask, (8.0, 1.0, 2.0), margin=0.5)
    assert (rows.stop - rows.start) * 1.0 == pytest.approx(
        (columns.stop - columns.start) * 2, abs=2
    )
    assert rows.start <= 30
    assert rows.stop >= 70
    speck = np.zeros_like(mask)
    speck[0, 50, 50] = 1
    rows, columns = square(speck, (8.0, 1.0, 2.0))
    assert (rows.stop - rows.start, columns.stop - columns.start) == (61, 31), "60 mm"
    mask[0, 0:2, 0:2] = 1
    rows, columns = square(mask, (8.0, 1.0, 2.0))
    assert (rows.start, columns.start) == (0, 0)
    whole = square(np.zeros((1, 7, 9)), (8.0, 1.0, 1.0))
    assert whole == (slice(0, 7), slice(0, 9))


def test_slices_are_laid_in_lines_and_blank_places_are_white():
    slices = np.stack([np.full((20, 25), value) for value in (0.0, 1.0, 2.0, 1.0)])
    pixels = SHEET.grey(slices, 0, 2)
    assert pixels.shape == (80, 150, 3)
    middles = [pixels[y, x, 0] for y, x in ((20, 25), (20, 75), (20, 125), (60, 25), (60, 75))]
    assert middles == [0, 127, 255, 127, 255]


@pytest.mark.parametrize("label", [1, 2])
def test_a_contour_runs_along_the_border_of_its_label_alone(label):
    slices = np.stack([DISC * 1, DISC * 2])
    blank = SHEET.grey(slices * 0.0, 0, 1)
    drawn = SHEET.contours(blank, slices, [Pen(label=label, colour="#ff0000")])
    left, right = drawn[:, :50], drawn[:, 50:]
    own, other = (left, right) if label == 1 else (right, left)
    assert (other == 0).all()
    circumference = 2 * np.pi * 12
    assert circumference < near(own, "#ff0000") < 3 * circumference
    assert near(own[16:24, 20:30], "#ff0000") == 0, "not inside"
    assert (blank == 0).all(), "the image given stays as it is"


def test_a_dashed_line_covers_about_half():
    blank = SHEET.grey(np.zeros((1, 20, 25)), 0, 1)
    whole, dashed = (
        near(
            SHEET.contours(blank, DISC[None] * 1, [Pen(label=1, colour="#00ff00", dash=d)]),
            "#00ff00",
        )
        for d in (0, 4)
    )
    assert 0.3 * whole < dashed < 0.7 * whole


def test_stripes_cover_what_is_true_and_nothing_else():
    blank = SHEET.grey(np.ones((1, 20, 25)), 0, 1)
    striped = SHEET.shaded(blank, DISC[None], "#ff00ff")
    changed = (striped != blank).any(axis=-1)
    assert changed.sum() == pytest.approx(np.pi * 12**2, rel=0.15)
    assert len(np.unique(striped[changed], axis=0)) == 2


def test_heat_rises_in_brightness_and_leaves_nothing_where_there_is_nothing():
    grey = np.full((4, 4, 3), 90, np.uint8)
    np.testing.assert_array_equal(heated(grey, np.zeros((4, 4))), grey)
    bar = heat_bar(64, 3).astype(float).sum(axis=-1)[1]
    assert bar[-1] > bar[32] > bar[8]
    assert (np.diff(bar) > -3).all()
