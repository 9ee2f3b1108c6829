import numpy as np

from cmrseg.synthetic.texture import SIZE, Texture


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
