"""Bands of errors hold as many of the errors to come as they say."""

import numpy as np
import pytest

from cmrseg.quality.uncertainty.conformal import ErrorBand, bands_in_words


def drawn(rng, patients):
    """Measures and experts' values whose errors grow with the measure, with heavy tails."""
    found = rng.gamma(2.0, 10.0, patients)
    return found, np.maximum(found + rng.standard_t(3, patients) * (0.05 * found + 1), 0)


def test_the_band_holds_at_least_its_level_of_the_errors_to_come():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(200):
        band = ErrorBand.fit(*drawn(rng, 60))
        for value, true in zip(*drawn(rng, 20), strict=True):
            low, high = band.around(value)
            held.append(low <= true <= high)
    assert 0.89 < np.mean(held) < 0.94


def test_known_errors_give_known_ends():
    measured = np.full(39, 10.0)
    band = ErrorBand.fit(measured, measured + np.arange(39) / 10)  # errors 0, 0.1, ... 3.8
    # The 36th of 39 errors, 3.5 mL, on a measure of 10 whose typical value is 10.
    assert band.around(10.0) == pytest.approx((6.5, 13.5))
    assert band.around(0.0) == pytest.approx((0.0, 1.75))
    assert band.around(99.0, highest=100.0)[1] == 100.0
    assert (band.level, band.patients) == (pytest.approx(0.9), 39)


def test_words_say_the_level_and_of_how_many_patients():
    band = ErrorBand.fit(np.arange(12.0), np.arange(12.0) + 1)
    assert "90 % of the expert's values" in bands_in_words({"RV": band})
    assert "12 patients" in bands_in_words({"RV": band})


def test_easy_images_get_narrow_intervals_and_hard_ones_wide_ones():
    rng = np.random.default_rng(1)
    hard = rng.uniform(0.5, 2.0, 400)
    found = np.full(400, 50.0)
    true = found + hard * rng.normal(0, 4, 400)
    band = ErrorBand.from_dict(ErrorBand.fit(found[:200], true[:200], hard[:200]).as_dict())
    ends = np.array([band.around(50.0, difficulty=h) for h in hard[200:]])
    held = (ends[:, 0] <= true[200:]) & (true[200:] <= ends[:, 1])
    easy = hard[200:] < 1
    assert held[easy].mean() > 0.84
    assert held[~easy].mean() > 0.84
    assert np.ptp(ends[easy], axis=1).mean() < 0.7 * np.ptp(ends[~easy], axis=1).mean()
    unknown = np.ptp(band.around(50.0))
    assert unknown == pytest.approx(np.ptp(band.around(50.0, difficulty=1e9)))


def test_too_few_patients_are_refused():
    with pytest.raises(ValueError, match="needs 10 patients"):
        ErrorBand.fit([1.0] * 9, [1.0] * 9)


def test_measures_of_nothing_everywhere_give_an_empty_band():
    assert ErrorBand.fit([0.0] * 10, [0.0] * 10).around(0.0) == (0.0, 0.0)


def test_the_manifest_keeps_it():
    band = ErrorBand.fit(np.arange(12.0), np.arange(12.0) + 1)
    again = ErrorBand.from_dict(band.as_dict())
    assert again.around(5.0) == pytest.approx(band.around(5.0), abs=0.01)
