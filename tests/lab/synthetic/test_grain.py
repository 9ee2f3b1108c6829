import numpy as np

from cmrseg_lab.synthetic.anatomy import draw_heart
from cmrseg_lab.synthetic.grain import Grain


def test_grain_is_that_of_the_place_and_of_the_heart() -> None:
    one, other = (draw_heart(np.random.default_rng(seed), "NOR") for seed in (0, 1))
    rows = np.linspace(-40, 40, 41, dtype=np.float32)[None, :, None]
    columns = np.linspace(-30, 30, 33, dtype=np.float32)[None, None, :]
    zero = np.zeros((2, 41, 33), np.float32)
    point = (zero + rows, zero + columns, zero - 20)
    grain = Grain.of(one, point)
    assert np.array_equal(grain.fine, Grain.of(one, point).fine)
    assert not np.array_equal(grain.fine, Grain.of(other, point).fine)
    for around_one in (grain.muscle, grain.blood, grain.fat):
        assert abs(float(around_one.mean()) - 1) < 0.15
    assert grain.streak.min() >= 0
    assert grain.streak.max() <= 1
    window = slice(None), slice(8, 20), slice(3, 30)
    assert np.array_equal(grain.within(window).middle, grain.middle[window])
    u, _, w = grain.bent(point, 2.0)
    assert np.array_equal(w, point[2])
    assert 0 < np.abs(u - point[0]).max() < 2.0 * 1.25 * 5
    assert np.array_equal(grain.bent(point, 0.0)[1], point[1])
