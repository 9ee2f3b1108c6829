from dataclasses import replace

import numpy as np
import pytest

from cmrseg_lab.synthetic.scanner import Scanner, acquire, shift_fat, window


def settings(**changes: object) -> Scanner:
    plain = Scanner(
        resolution=(1.0, 1.0),
        noise=0.0,
        gamma=1.0,
        scale=100.0,
        zero=0.0,
        slice_scale=0.0,
        fat_shift_px=(0, 0),
        artefacts={},
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def image(scanner: Scanner, signal: np.ndarray) -> np.ndarray:
    return scanner.image(np.random.default_rng(0), np.random.default_rng(1), signal)


def test_magnitude_has_no_sign_and_phase_sensitive_has() -> None:
    signal = np.full((8, 8), -0.5, np.float32)
    assert image(settings(), signal) == pytest.approx(50, abs=1)
    assert image(settings(zero=120.0), signal) == pytest.approx(70, abs=1)


def test_less_of_k_space_blurs() -> None:
    signal = np.zeros((64, 64), np.float32)
    signal[:, 32:] = 1
    edges = []
    for share in (1.0, 0.4):
        seen = acquire(np.random.default_rng(0), signal, (1.0, share), 0.0)
        edges.append(float(np.abs(np.diff(seen, axis=1)).max()))
    assert edges[1] < 0.6 * edges[0]


def test_noise_has_about_the_deviation_asked_for() -> None:
    flat = np.ones((128, 128), np.float32)
    seen = acquire(np.random.default_rng(0), flat, (0.7, 0.9), 0.05)
    assert seen.std() == pytest.approx(0.05, rel=0.25)
    assert seen.mean() == pytest.approx(1.0, abs=0.01)


def test_window_keeps_the_mean_and_cuts_high_frequencies() -> None:
    kept = window(64, 0.5)
    assert kept[0] == 1.0
    assert kept[32] == 0.0


def test_chemical_shift_moves_fat_only() -> None:
    signal = np.full((10, 10), 0.3, np.float32)
    assert np.array_equal(shift_fat(signal, (2, 0)), signal)
    signal[4, 4] = 1.2
    shifted = shift_fat(signal, (2, 0))
    assert shifted[4, 4] < 0.9
    assert shifted[6, 4] > 0.6
    assert shifted.sum() == pytest.approx(signal.sum(), rel=1e-5)
