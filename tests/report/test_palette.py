"""Label description files: read back as the two programs read them."""

import re

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
    assert lines[1][2:] == ["232", "67", "63", "255"], "#e8433f, opaque"


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
    assert found[1][1:7] == ("232", "67", "63", "1", "1", "1")
