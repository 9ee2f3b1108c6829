import numpy as np
import pytest

from cmrseg_lab.synthetic.anatomy import draw_heart
from cmrseg_lab.synthetic.grain import Site
from cmrseg_lab.synthetic.points import sparse


def plane() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    axis = np.linspace(-60, 60, 61, dtype=np.float32)
    zero = np.zeros((1, 61, 61), np.float32)
    return zero + axis[:, None], zero + axis, zero - 30


def test_fat_is_nowhere_thinner_than_nothing_and_lies_where_the_pad_is() -> None:
    heart = draw_heart(np.random.default_rng(2), "NOR")
    site = Site.of(heart, plane())
    assert site.fat_mm.min() >= 0
    assert site.pad_mm.min() >= 0
    front = site.polar.cosine * np.cos(heart.pad_angle) + site.polar.sine * np.sin(heart.pad_angle)
    assert site.pad_mm[front > 0.5].mean() > 0
    assert (site.pad_mm[front < 0] == 0).all()


def test_every_fourth_point_is_the_same_without_those_in_between() -> None:
    heart = draw_heart(np.random.default_rng(3), "NOR")
    whole = Site.of(heart, plane())
    u, v, w = (sparse(each) for each in plane())
    few = Site.of(heart, (u, v, w), sparse=True)
    assert few.pad_mm == pytest.approx(sparse(whole.pad_mm), abs=1e-3)
    assert few.fat_mm == pytest.approx(sparse(whole.fat_mm), abs=1e-3)
    assert few.polar.r == pytest.approx(sparse(whole.polar.r), abs=1e-3)
    assert few.grain.muscle == pytest.approx(sparse(whole.grain.muscle), abs=1e-3)
