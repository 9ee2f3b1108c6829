"""Contact sheets: the picture is looked at, pixel by pixel where it matters."""

import numpy as np
import pytest

from cmrseg.imaging import Geometry, Volume
from cmrseg.report.overlay import COLOURS, Panel, contact_sheet
from tiny import heart

NAMES = {1: "LV", 2: "MYO", 3: "RV"}


def panel(label):
    image, _ = heart()
    geometry = Geometry(shape=image.shape, spacing_mm=(8.0, 1.5, 1.5))
    mask = Volume(label.astype(np.uint8), geometry)
    return Panel(title="heart", image=Volume(image, geometry), mask=mask, names=NAMES)


def drawn(path, label):
    """How many pixels are near a label's colour: thin lines blend with what they cross."""
    from matplotlib import colors, image

    pixels = image.imread(path)[..., :3]
    wanted = np.array(colors.to_rgb(COLOURS[label]))
    return int((np.abs(pixels - wanted).max(axis=-1) < 0.25).sum())


@pytest.mark.parametrize("label", NAMES)
def test_every_structure_is_outlined_in_its_colour(tmp_path, label):
    _, labels = heart()
    contact_sheet([panel(labels)], tmp_path / "all.png")
    contact_sheet([panel(np.where(labels == label, 0, labels))], tmp_path / "without.png")
    # What is left without the structure is its line in the legend.
    assert drawn(tmp_path / "all.png", label) > 2 * drawn(tmp_path / "without.png", label) > 0


def test_a_row_for_each_panel(tmp_path):
    from matplotlib import image

    _, labels = heart()
    contact_sheet([panel(labels)], tmp_path / "one.png")
    contact_sheet([panel(labels)] * 3, tmp_path / "three.png")
    one, three = (image.imread(tmp_path / f"{n}.png").shape for n in ("one", "three"))
    assert three[0] == 3 * one[0]
    assert three[1] == one[1]


def test_an_empty_mask_shows_the_whole_image(tmp_path):
    contact_sheet([panel(np.zeros((4, 40, 44)))], tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 0
