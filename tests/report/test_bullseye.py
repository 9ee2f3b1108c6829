"""The target: every segment in its place, its colour and its number; territories apart."""

import numpy as np
import pytest

from cmrseg.imaging.aha_segments import NAMES, segment_measures
from cmrseg.report.bullseye import (
    EDGE,
    FULL,
    NOTHING,
    RADIUS,
    borders,
    fields,
    mixed,
    profile,
    segment_panels,
    target,
)
from imaging.test_aha_segments import stack


def red(value):
    return mixed(NOTHING, FULL, value / 100)


def around(pixels, field):
    """The colour that most pixels around a field's number have."""
    x, y = (round(RADIUS + EDGE + c * RADIUS) for c in field.middle)
    patch = pixels[y - 12 : y + 13, x - 12 : x + 13].reshape(-1, 3)
    colours, counts = np.unique(patch, axis=0, return_counts=True)
    return tuple(colours[counts.argmax()].tolist())


def test_seventeen_fields_fill_the_circle():
    found = fields()
    assert [field.segment for field in found] == list(range(1, 18))
    area = sum(np.pi * (f.outer**2 - f.inner**2) * (f.end - f.start) / 360 for f in found)
    assert area == pytest.approx(np.pi)


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("basal anterior", 0, -1),
        ("basal inferior", 0, 1),
        ("apical septal", -1, 0),
        ("apical lateral", 1, 0),
        ("mid anteroseptal", -1, -1),
        ("mid inferolateral", 1, 1),
    ],
)
def test_the_anterior_wall_is_on_top_and_the_septum_on_the_left(name, x, y):
    place = fields()[NAMES.index(name)].middle
    assert np.sign(np.round(place, 6)).tolist() == [x, y]


@pytest.mark.parametrize("segment", range(1, 18))
def test_a_segment_s_value_colours_its_field_alone(segment):
    values = {field.segment: 0.0 for field in fields()} | {segment: 100.0}
    pixels = target(values, red, "{:.0f}")
    for field in fields():
        expected = FULL if field.segment == segment else NOTHING
        assert around(pixels, field) == mixed(expected, expected, 0)


def test_what_was_not_seen_is_neither_nothing_nor_full():
    pixels = target({1: None}, red, "{:.0f}")
    assert around(pixels, fields()[0]) == (230, 232, 234)


def test_lines_part_the_arteries_and_nothing_else():
    ends = {tuple(np.round(point, 3)) for line in borders() for point in line}

    def at(degree, radius):
        a = np.radians(degree)
        return tuple(np.round((np.cos(a) * radius, -np.sin(a) * radius), 3))

    assert at(60, 1.0) in ends, "anterior from anterolateral"
    assert at(180, 1.0) in ends, "anteroseptal from inferoseptal"
    assert at(300, 1.0) in ends, "inferior from inferolateral"
    assert at(120, 1.0) not in ends, "the LAD feeds both sides"


def test_panels_come_of_measures_and_only_where_there_are_any():
    assert segment_panels({}) == []
    sure = segment_panels(segment_measures(*stack(), septum_deg=180.0))
    unsure = segment_panels(segment_measures(*stack()))
    assert sure[0].title == "infarct transmurality, share by artery [%]"
    assert unsure[0].title == "infarct transmurality [%]"
    for panels in (sure, unsure):
        titles = ["wall thickness [mm]", "slices from base to apex"]
        assert [panel.title for panel in panels[1:]] == titles
    assert (sure[1].pixels != unsure[1].pixels).any(), "no territories where they may be turned"


def test_a_bar_is_as_high_as_its_value():
    def reds(percent):
        one = {"slice": 1, "infarct_transmurality_percent": percent, "wall_thickness_mm": None}
        pixels = profile([one])
        return int((pixels == mixed(FULL, FULL, 0)).all(axis=-1).sum())

    assert reds(None) < reds(25) < reds(50)
    assert reds(100) == pytest.approx(2 * reds(50), rel=0.05)
    assert profile([]).ndim == 3
