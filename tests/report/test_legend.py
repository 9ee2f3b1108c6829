"""What a picture's lines mean: each as it is drawn, none outside the picture."""

import numpy as np
import pytest
from PIL import ImageColor

from cmrseg.report.canvas import Canvas
from cmrseg.report.legend import DIFFERS, HIGH, Legend, Scale
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
