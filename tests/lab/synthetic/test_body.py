from dataclasses import replace

import numpy as np
import pytest

from cmrseg.imaging.volume import Geometry
from cmrseg_lab.synthetic import body
from cmrseg_lab.synthetic.abdomen import draw_body
from cmrseg_lab.synthetic.contrast import CINE
from cmrseg_lab.synthetic.points import Window
from cmrseg_lab.synthetic.views import View

AXIAL = np.array([[0.0, 0, 1], [0, 1, 0], [1, 0, 0]])
"""Columns: slices go to the head, rows to the back, columns to the left."""


def painted(*, arms: bool) -> np.ndarray:
    """An axial slice, 3 mm pixels, the heart's height in the middle."""
    geometry = Geometry(
        shape=(1, 130, 190), spacing_mm=(8, 3, 3), origin_mm=(-285, -195, 40), direction=AXIAL
    )
    view = View(geometry=geometry, shifts_mm=np.zeros((1, 3)), thickness_mm=8.0)
    points = view.points(0, np.eye(3), np.zeros(3), 1)
    signal = np.zeros((1, *points.shape), np.float32)
    trunk = replace(draw_body(np.random.default_rng(3), 0.0), arms=arms)
    body.paint_body(signal, trunk, CINE, points)
    return signal[0]


def test_air_lies_around_the_trunk_and_arms_beside_it() -> None:
    without, with_arms = painted(arms=False), painted(arms=True)
    assert not without[:10].any()  # in front of the skin
    assert not without[:, :15].any()
    assert with_arms[:, :35].any()
    assert (with_arms != without).any()
    assert np.array_equal(with_arms[:, 70:120], without[:, 70:120])


def test_lungs_are_dark_and_hold_bright_vessels() -> None:
    signal = painted(arms=False)
    lung = signal[55:75, 115:130]  # beside the mediastinum, to the left
    assert np.median(lung) == pytest.approx(CINE.lung, rel=0.6)
    assert lung.max() > 0.5 * CINE.vessel


def test_only_the_air_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = painted(arms=False)

    def everywhere(mask: object, shape: tuple[int, int]) -> Window:
        return slice(None), slice(0, shape[0]), slice(0, shape[1])

    monkeypatch.setattr(body, "around", everywhere)
    assert np.array_equal(painted(arms=False), found)
