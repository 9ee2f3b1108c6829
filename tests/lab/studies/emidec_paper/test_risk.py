"""Curves by hand; perfect, useless and misleading doubt."""

import numpy as np
import pytest

from cmrseg_lab.studies.emidec_paper.risk import rank_correlation, risk_coverage

SCORES = [0.9, 0.5, 0.7, 0.1]


def test_a_curve_by_hand():
    found = risk_coverage([1, 3, 2, 4], SCORES)
    assert found.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    np.testing.assert_allclose(found.score, [0.9, 0.8, 0.7, 0.55])
    np.testing.assert_allclose(found.best, found.score)
    assert found.at(1.0) == pytest.approx(0.55)
    assert found.at(0.5) == pytest.approx(0.8)
    assert found.at(0.01) == pytest.approx(0.9)


def test_how_much_of_what_can_be_known_is_known():
    assert risk_coverage([1, 3, 2, 4], SCORES).share_of_best == pytest.approx(1)
    assert risk_coverage([4, 2, 3, 1], SCORES).share_of_best < 0
    assert risk_coverage([1, 2, 3], [0.5, 0.5, 0.5]).share_of_best == 0
    rng = np.random.default_rng(0)
    blind = [risk_coverage(rng.random(50), rng.random(50)).share_of_best for _ in range(300)]
    assert np.mean(blind) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(("doubt", "score"), [([], []), ([1.0], [0.1, 0.2])])
def test_a_case_needs_both(doubt, score):
    with pytest.raises(ValueError, match="uncertainties for"):
        risk_coverage(doubt, score)


def test_rank_correlation():
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 40])[0] == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1])[0] == pytest.approx(-1)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) == (0.0, 1.0)
