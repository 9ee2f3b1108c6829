from dataclasses import replace

import numpy as np

from cmrseg_lab.synthetic.anatomy import Heart, draw_heart
from cmrseg_lab.synthetic.surfaces import Polar, Surfaces, papillaries, papillary_window, surfaces


def grid(low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    across = np.arange(-60, 110, 2.0, np.float32)
    w = np.arange(low, high, 2.0, np.float32)
    u, v, h = np.meshgrid(across, across, w, indexing="ij")
    return u, v, h


def heart(group: str = "NOR") -> Heart:
    return draw_heart(np.random.default_rng(0), group)


def found_at(one: Heart, point: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Surfaces:
    return surfaces(one, one.ed, Polar.of(one, point))


def test_below_the_valves_there_are_neither_atria_nor_vessels() -> None:
    one = heart()
    assert found_at(one, grid(-80, -40)).above is None
    above = found_at(one, grid(0, 40)).above
    assert above is not None
    for distance in (above.left, above.right, above.aorta, above.pulmonary):
        assert (distance < 0).any()


def test_atria_stay_apart_unless_the_septum_has_a_hole() -> None:
    one = replace(heart("CIA"), septal_gap_mm=0.0)
    point = grid(0, 50)
    for gap, opened in ((0.0, False), (20.0, True)):
        above = found_at(replace(one, septal_gap_mm=gap), point).above
        assert above is not None
        close = np.maximum(above.left, above.right) < 1.2  # in reach of both
        assert bool(close.any()) == opened


def test_rv_lies_outside_the_lv_on_the_side_of_the_septum() -> None:
    one = heart()
    u, v, w = grid(-90, 20)
    found = found_at(one, (u, v, w))
    inside = found.rv < 0
    assert inside.any()
    assert (found.epi[inside] > 0).all()
    assert (found.cosine[inside] > 0).mean() > 0.8
    assert (found.rv_outside[inside] < 0).mean() > 0.98


def test_whole_heart_holds_its_parts() -> None:
    one = heart()
    found = found_at(one, grid(-100, 40))
    whole = found.heart(found.ventricles())
    for part in (np.maximum(found.epi, found.base), found.rv_outside):
        assert (whole[part < 0] < 0.01).all()


def test_a_part_of_a_slice_has_the_surfaces_of_the_whole() -> None:
    one = heart()
    whole = found_at(one, grid(-60, -40))
    window = slice(None), slice(20, 50), slice(2, 7)
    part = whole.within(window)
    assert part.above is None
    for name in ("endo", "epi", "base", "rv", "rv_outside", "height", "cosine", "sine"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[window])
    depth = part.depth()
    assert (depth[part.endo < 0] < 0).all()
    assert (depth[part.epi > 0] > 1).all()


def test_outlines_keep_their_form_over_the_cycle() -> None:
    for group in ("NOR", "HCM", "RV"):
        one = heart(group)
        assert one.ed.endo.form == one.es.endo.form
        assert one.ed.epi.form == one.es.epi.form


def test_papillaries_stand_inside_the_cavity_and_nowhere_else() -> None:
    one = heart()
    point = grid(-90, 0)
    rods = papillaries(one, one.ed, point)
    assert (rods < 0).any()
    endo = found_at(one, point).endo
    assert (endo[rods < 0] < 0).mean() > 0.9


def test_window_of_the_papillaries_holds_all_that_is_near_them() -> None:
    one = heart()
    point = grid(-90, 0)
    window = papillary_window(one, one.ed, Polar.of(one, point), 4.0)
    assert window is not None
    near = papillaries(one, one.ed, point) < 4.0
    outside = near.copy()
    outside[window] = False
    assert near.any()
    assert not outside.any()
    assert near[window].size < near.size
    assert papillary_window(one, one.ed, Polar.of(one, grid(10, 30)), 4.0) is None


def test_there_is_no_rv_opposite_the_septum_nor_below_its_apex() -> None:
    one = heart()
    far = np.linspace(-90, -1, 60, dtype=np.float32)[None, None]
    zero = np.zeros_like(far)
    for v in (-1e-3, 0.0, 1e-3):
        opposite = found_at(one, (far, zero + np.float32(v), zero - 40))
        assert opposite.rv.min() > 0.5
        assert (opposite.rv_outside > 1)[opposite.epi > 3].all()
    below = np.float32(one.ed.rv_apex_w - 20) - np.arange(0, 90, 3, dtype=np.float32)[None, None]
    axis = found_at(one, (0 * below, 0 * below, below))  # both walls end on the axis
    assert axis.rv.min() > 1
