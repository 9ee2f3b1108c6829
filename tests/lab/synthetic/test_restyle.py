import numpy as np
import pytest

from cmrseg.imaging.volume import Geometry, Volume
from cmrseg_lab.synthetic.restyle import restyle, uneven_light
from cmrseg_lab.synthetic.styles import HELD_OUT_STYLES, Style


def stack() -> Volume:
    y, x = np.mgrid[:64, :48]
    disc = 100 + 400 * ((y - 30) ** 2 + (x - 20) ** 2 < 150)
    return Volume(
        np.stack([disc] * 3).astype(np.int16), Geometry(shape=(3, 64, 48), spacing_mm=(8, 1.5, 1.5))
    )


def test_a_restyled_image_shows_the_same_thing_in_the_same_place() -> None:
    real = stack()
    shown = restyle(real, HELD_OUT_STYLES["ge-1.5t"], np.random.default_rng(0))
    assert shown.geometry == real.geometry
    assert shown.array.dtype == np.int16
    assert np.corrcoef(shown.array.ravel(), real.array.ravel())[0, 1] > 0.8


def test_restyling_follows_the_seed_and_differs_between_draws() -> None:
    style = HELD_OUT_STYLES["ge-1.5t"]
    one, same, other = (restyle(stack(), style, np.random.default_rng(s)).array for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_noise_of_the_style_is_in_the_image() -> None:
    quiet = Style(
        vendor="A", scanner="B", field_tesla=1.5, noise=(0.0, 0.0), bias=(0.0, 0.0),
        gamma=(1.0, 1.0), resolution=((1.0, 1.0), (1.0, 1.0)), scale=(1000.0, 1000.0),
    )  # fmt: skip
    loud = Style(
        vendor="A", scanner="B", field_tesla=1.5, noise=(0.2, 0.2), bias=(0.0, 0.0),
        gamma=(1.0, 1.0), resolution=((1.0, 1.0), (1.0, 1.0)), scale=(1000.0, 1000.0),
    )  # fmt: skip
    flat = stack().like(np.full((3, 64, 48), 300, np.int16))
    deviations = [
        restyle(flat, style, np.random.default_rng(0)).array.std() for style in (quiet, loud)
    ]
    assert deviations[0] < 1
    # 0.2 of blood at 1000 grey values; the k-space window takes some of it away
    assert deviations[1] == pytest.approx(200, rel=0.4)


def test_light_falls_by_the_strength_across_the_field_of_view() -> None:
    light = uneven_light((65, 65), 1.0, np.random.default_rng(3))
    assert light[32, 32] == pytest.approx(1.0)
    assert 1.0 <= np.log(light.max() / light.min()) <= 2**0.5 + 1e-6
