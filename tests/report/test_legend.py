"""What a picture's lines mean: each as it is drawn, none outside the picture."""

import re
from itertools import combinations

import numpy as np
import pytest
from PIL import ImageColor

from cmrseg.report.canvas import Canvas
from cmrseg.report.legend import (
    DIFFERS,
    HIGH,
    Legend,
    Scale,
    itk_snap_table,
    slicer_table,
    written_labels,
)
from cmrseg.report.overlay import COLOURS

NAMES = {1: "cavity", 2: "normal myocardium", 3: "infarction", 4: "no-reflow"}
SCALE = Scale(title="spread of samples", top=0.3, full="0.3")


def drawn(legend, room):
    high = legend.high(room)
    canvas = Canvas(room + 40, high + 10)
    legend.draw(canvas, 0, 0, room)
    return np.asarray(canvas.image), high


def shares(image, colour):
    """Which of the 34 pixels of a line are painted, along the line that its colour lies on."""
    found = (image == ImageColor.getrgb(colour)).all(-1)
    line = found[found.sum(1).argmax()]
    start = int(np.flatnonzero(line)[0])
    return line[start : start + 34]


@pytest.mark.parametrize(("label", "whole"), [(1, True), (2, True), (3, False), (4, False)])
def test_a_dashed_structure_has_a_dashed_line(label, whole):
    image, _ = drawn(Legend(names=NAMES), 900)
    assert bool(shares(image, COLOURS[label]).all()) is whole
    dashes = np.diff(shares(image, COLOURS[label]).astype(int))
    assert (dashes < 0).sum() >= (0 if whole else 2), "more than one dash"


def test_dashes_of_different_structures_differ():
    image, _ = drawn(Legend(names=NAMES), 900)
    assert (shares(image, COLOURS[3]) != shares(image, COLOURS[4])).any()


def test_entries_go_on_in_the_next_line_and_stay_inside():
    legend = Legend(names=NAMES, scales=[SCALE], differs="where it is not as the truth")
    image, high = drawn(legend, 300)
    assert high > 2 * HIGH
    assert (image[:, 300:] == 255).all()
    assert (image[high:] == 255).all()
    assert drawn(legend, 1200)[1] == HIGH


def test_stripes_stand_there_only_where_something_is_striped():
    paint = np.array(ImageColor.getrgb(DIFFERS)) * 0.9
    striped, plain = (
        (np.abs(drawn(Legend(names=NAMES, differs=words), 900)[0] - paint).max(-1) < 3).sum()
        for words in ("differs", "")
    )
    assert striped > 50 > plain == 0


EMIDEC = {1: "cavity", 2: "normal myocardium", 3: "infarction", 4: "no-reflow"}
CINE = {1: "LV", 2: "MYO", 3: "RV"}


def slicer_lines(text):
    return [line.split(" ") for line in text.splitlines() if not line.startswith("#")]


def test_a_slicer_table_has_a_line_of_six_for_each_value_from_zero():
    lines = slicer_lines(slicer_table(written_labels(EMIDEC, (0, 1, 2, 3, 4))))
    assert [line[0] for line in lines] == ["0", "1", "2", "3", "4"]
    assert all(len(line) == 6 for line in lines)
    names = ["background", "cavity", "normal_myocardium", "infarction", "no-reflow"]
    assert [line[1] for line in lines] == names
    assert lines[0][2:] == ["0", "0", "0", "0"]
    assert lines[1][2:] == ["86", "180", "233", "255"], "#56b4e9, opaque"


def test_a_structure_keeps_its_colour_whatever_its_value():
    for written, value in (((0, 0, 0, 3), 3), ((0, 0, 0, 1), 1)):
        (label,) = written_labels(CINE, written)
        assert (label.value, label.name, label.colour) == (value, "RV", COLOURS[3])
    lines = slicer_lines(slicer_table(written_labels(CINE, (0, 0, 0, 3))))
    assert [line[1] for line in lines] == ["background", "unused", "unused", "RV"]


def test_itk_snap_reads_index_colour_opacity_and_a_quoted_name():
    text = itk_snap_table(written_labels(EMIDEC, (0, 1, 2, 3, 4)))
    pattern = r"\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d)\s+(\d)\s+(\d)\s+\"(.*)\""
    rows = [re.fullmatch(pattern, line) for line in text.splitlines() if line[0] != "#"]
    found = [row.groups() for row in rows]
    assert found[0] == ("0", "0", "0", "0", "0", "0", "0", "Clear Label")
    assert found[2][-1] == "normal myocardium"
    assert found[1][1:7] == ("86", "180", "233", "1", "1", "1")


BLIND = {
    "deuteranope": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "protanope": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "tritanope": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}
"""How linear red, green and blue are seen (Machado et al. 2009)."""


def lab(colour, seen):
    """CIE L*a*b* (D65) of a colour as it is seen."""
    values = np.array(list(bytes.fromhex(colour[1:]))) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = np.array(to_xyz) @ np.clip(np.array(seen) @ linear, 0, 1) / (0.9505, 1, 1.089)
    f = np.cbrt(xyz)
    return np.array((116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])))


@pytest.mark.parametrize("who", BLIND)
def test_colours_are_told_apart_by_the_colour_blind(who):
    for one, other in combinations(COLOURS.values(), 2):
        assert np.linalg.norm(lab(one, BLIND[who]) - lab(other, BLIND[who])) > 20
