import numpy as np
import pytest

from cmrseg_lab.synthetic.texture import SIZE, Texture, slow_noise, spread


def look(x: np.ndarray, offset: int = 0) -> Texture:
    zero = np.zeros_like(x)
    return Texture.at(x, zero, zero, 2.0, offset)


def test_noise_is_standardised_and_periodic() -> None:
    x = np.arange(SIZE, dtype=np.float32) * 2
    assert np.array_equal(look(x).index, look(x + 2 * SIZE).index)
    cells = np.indices((SIZE, SIZE, SIZE), np.float32).reshape(3, -1) * 2
    values = Texture.at(*cells, 2.0, 0).middle()
    assert abs(float(values.mean())) < 1e-3
    assert abs(float(values.std()) - 1) < 1e-3


def test_same_place_same_texture_and_offsets_differ() -> None:
    x = np.linspace(-90, 90, 50).astype(np.float32)
    assert np.array_equal(look(x).fine(), look(x).fine())
    assert not np.array_equal(look(x).fine(), look(x, 12345).fine())


def test_coarse_noise_changes_slower_than_fine() -> None:
    x = np.arange(SIZE, dtype=np.float32) * 2
    texture = look(x)
    steps = [float(np.abs(np.diff(n)).mean()) for n in (texture.fine(), texture.coarse())]
    assert steps[0] > 3 * steps[1]


def test_slow_noise_is_the_coarse_noise_interpolated() -> None:
    rows, columns = (np.arange(n, dtype=np.float32) for n in (30, 41))
    zero = np.zeros((2, 30, 41), np.float32)
    point = (zero + rows[:, None], zero + columns, zero)
    slow, exact = slow_noise(*point, 1.0, 77), Texture.at(*point, 1.0, 77).coarse()
    assert slow.shape == exact.shape
    assert np.array_equal(slow[:, ::4, ::4], exact[:, ::4, ::4])
    # 4^2 / 8 along rows and along columns, times a curvature of 4 deviations over 10^2 at the most
    assert np.abs(slow - exact).max() < 0.16


def test_spread_is_linear() -> None:
    nodes = 4.0 * np.arange(3)[None, :, None] + 40.0 * np.arange(2)[None, None, :]
    wide = spread(nodes, (11, 6))
    assert wide[0] == pytest.approx(np.arange(11)[:, None] + 10.0 * np.arange(6))
