from dataclasses import replace

import numpy as np

from cmrseg.synthetic.anatomy import Heart, draw_heart
from cmrseg.synthetic.surfaces import papillaries, surfaces


def grid(low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    across = np.arange(-60, 110, 2.0, np.float32)
    w = np.arange(low, high, 2.0, np.float32)
    u, v, h = np.meshgrid(across, across, w, indexing="ij")
    return u, v, h


def heart(group: str = "NOR") -> Heart:
    return draw_heart(np.random.default_rng(0), group)


def test_below_the_valves_there_are_neither_atria_nor_vessels() -> None:
    one = heart()
    assert surfaces(one, one.ed, grid(-80, -40)).above is None
    above = surfaces(one, one.ed, grid(0, 40)).above
    assert above is not None
    for distance in (above.left, above.right, above.aorta, above.pulmonary):
        assert (distance < 0).any()


def test_atria_stay_apart_unless_the_septum_has_a_hole() -> None:
    one = replace(heart("CIA"), septal_gap_mm=0.0)
    point = grid(0, 50)
    for gap, opened in ((0.0, False), (20.0, True)):
        above = surfaces(replace(one, septal_gap_mm=gap), one.ed, point).above
        assert above is not None
        close = np.maximum(above.left, above.right) < 1.2  # in reach of both
        assert bool(close.any()) == opened


def test_rv_lies_outside_the_lv_on_the_side_of_the_septum() -> None:
    one = heart()
    u, v, w = grid(-90, 20)
    found = surfaces(one, one.ed, (u, v, w))
    inside = found.rv < 0
    assert inside.any()
    assert (found.epi[inside] > 0).all()
    assert (found.cosine[inside] > 0).mean() > 0.8
    assert (found.rv_outside[inside] < 0).mean() > 0.98


def test_whole_heart_holds_its_parts() -> None:
    one = heart()
    found = surfaces(one, one.ed, grid(-100, 40))
    whole = found.heart()
    for part in (np.maximum(found.epi, found.base), found.rv_outside):
        assert (whole[part < 0] < 0.01).all()


def test_papillaries_stand_inside_the_cavity_and_nowhere_else() -> None:
    one = heart()
    point = grid(-90, 0)
    rods = papillaries(one, one.ed, point)
    assert rods is not None
    endo = surfaces(one, one.ed, point).endo
    assert (endo[rods < 0] < 0).mean() > 0.9
    assert papillaries(one, one.ed, grid(10, 30)) is None
