"""Label description files: read back as the two programs read them."""

import re
from itertools import combinations

import numpy as np
import pytest

from cmrseg.report.overlay import COLOURS
from cmrseg.report.palette import itk_snap_table, slicer_table, written_labels

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
