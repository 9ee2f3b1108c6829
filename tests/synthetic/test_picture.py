from pathlib import Path

import numpy as np
import pytest

from cmrseg.errors import UsageError
from cmrseg.synthetic.patient import Patient
from cmrseg.synthetic.picture import WINDOW_MM, save_picture, window


def test_window_is_a_square_in_mm_around_the_labels_padded_with_zeros() -> None:
    image = np.ones((100, 50))
    label = np.zeros((100, 50), int)
    label[10, 25] = 1
    tile = window(image, label, (2.0, 4.0))
    assert tile.shape == (round(WINDOW_MM / 2), round(WINDOW_MM / 4))
    middle = tile.shape[0] // 2
    assert not tile[: middle - 10].any()
    assert tile[middle - 10 :, tile.shape[1] // 2].all()


def test_a_row_for_each_pair(cine: Patient, late: Patient, tmp_path: Path) -> None:
    pairs = [
        (patient.images[role], patient.labels[role])
        for patient, role in ((cine, "SA_ED"), (late, "LGE"))
    ]
    save_picture([(pair, pair) for pair in pairs], tmp_path / "new" / "p.png")
    data = (tmp_path / "new" / "p.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    assert width == 3 * height  # two rows of six tiles


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.jpg"):
        save_picture([], tmp_path / "p.jpg")
