"""Rules of cleaning a mask, judged by patients: known differences and the words they make."""

from types import SimpleNamespace

import numpy as np
import pytest

from cmrseg.challenges.steps import cleaned
from cmrseg.reproduce.mnms2.rules import (
    LARGE,
    LARGEST,
    METRICS,
    NONE,
    RULES,
    SHIPPED,
    STRUCTURES,
    by_patient,
    compared,
    table,
    verdicts,
)
from cmrseg.reproduce.mnms2.tables import ALL_SHIFTED, Results


def made(cohort, patient, role, by_rule):
    """A heart whose metrics are 0.8 and 20 mm but for RV, which each rule changes by so much."""
    rules = {}
    for rule in RULES:
        dice, hd = by_rule.get(rule, (0.0, 0.0))
        row = {f"{s}_dice": 0.8 for s in STRUCTURES} | {f"{s}_hd_mm": 20.0 for s in STRUCTURES}
        rules[rule] = row | {"rv_dice": 0.8 + dice, "rv_hd_mm": 20.0 + hd}
    heart = SimpleNamespace(cohort=cohort, patient=f"patient {patient}", role=role)
    return SimpleNamespace(heart=heart, rules=rules)


def results(view, by_rule, *, cohorts=("clean",)):
    """Four patients in both phases; ES gains twice as much as ED, so that means are 1.5 times."""
    return Results(
        "BN1",
        "",
        [
            made(cohort, n, f"{view}_{phase}", {r: (k * d, k * h) for r, (d, h) in by_rule.items()})
            for cohort in cohorts
            for n in range(4)
            for phase, k in (("ED", 1), ("ES", 2))
        ],
    )


def test_the_shipped_rules_are_those_of_prediction():
    rng = np.random.default_rng(5)
    stack = (rng.random((4, 24, 24)) > 0.8).astype(np.uint8) * 3
    for view, labels in (("SA", stack), ("LA", stack[:1])):
        np.testing.assert_array_equal(RULES[SHIPPED[view]](labels), cleaned(labels))
        assert (RULES[NONE](labels) == labels).all()
        kept = [int((RULES[rule](labels) > 0).sum()) for rule in (LARGEST, LARGE, NONE)]
        assert kept == sorted(kept)
        assert kept[0] < kept[2]


def test_the_table_by_hand():
    found = results("SA", {LARGE: (0.02, -4.0), LARGEST: (-0.02, -2.0)})
    grid = table(found, ["clean", ALL_SHIFTED])
    assert len(grid.lines) == len(STRUCTURES) * len(RULES), "nothing was shifted, no long axis"
    none, largest, large = grid.lines[:3]
    assert none[:5] == ["SA", "clean", "4", "RV", "none"]
    assert none[5:] == ["0.800 ± 0.000", "20.00 ± 0.00", "-", "-"]
    assert large[4:7] == [f"{LARGE} (shipped)", "0.830 ± 0.000", "14.00 ± 0.00"]
    assert large[7].startswith("+0.030 (+0.030 to +0.030), p 0.12")
    assert large[8].startswith("-6.00 (-6.00 to -6.00), p 0.12")
    assert largest[4] == LARGEST
    assert largest[7].startswith("-0.030")
    assert grid.lines[3][7:] == ["-", "-"]
    assert grid.lines[4][7] == "+0.000 (+0.000 to +0.000), p 1"
    assert len(grid.header) == len(none) == 5 + 2 * len(METRICS)


def test_patients_are_means_of_their_images():
    one = results("LA", {LARGEST: (0.1, -1.0)}).measured
    rows = by_patient(one, LARGEST)
    assert len(rows) == 4
    assert rows["patient 0"]["rv_hd_mm"] == pytest.approx(18.5)
    assert compared(one, LARGEST, NONE) == (["RV DC", "RV HD"], [])
    assert compared(one, NONE, LARGEST) == ([], ["RV DC", "RV HD"])
    assert compared(one, LARGE, NONE) == ([], [])


RIGHT = "speak for a rule, and"
OPEN = "do not decide whether there should be a rule."
WRONG = "speak against it."


@pytest.mark.parametrize(
    ("view", "by_rule", "said"),
    [
        ("SA", {LARGE: (0.01, -3.0)}, f"{RIGHT} for this one."),
        (
            "SA",
            {LARGE: (0.01, -3.0), LARGEST: (0.01, -3.0)},
            f"{RIGHT} do not decide between it and *{LARGEST}*.",
        ),
        (
            "SA",
            {LARGE: (0.02, -3.0), LARGEST: (0.01, -4.0)},
            f"{RIGHT} do not decide between it and *{LARGEST}*.",
        ),
        ("SA", {LARGE: (0.0, 0.0)}, OPEN),
        ("SA", {LARGE: (-0.01, -3.0)}, OPEN),
        ("SA", {LARGE: (-0.01, 0.0)}, WRONG),
        ("SA", {LARGE: (0.0, -3.0), LARGEST: (0.0, -9.0)}, WRONG),
        ("LA", {LARGEST: (0.0, -3.0)}, f"{RIGHT} for this one."),
        ("LA", {LARGE: (0.0, -3.0)}, WRONG),
    ],
)
def test_words_follow_the_figures(view, by_rule, said):
    (told,) = verdicts(results(view, by_rule), "clean", ALL_SHIFTED)
    assert told.startswith(f"**{view}** ships *{SHIPPED[view]}*. Clean hearts: ")
    assert told.endswith(f"Out-of-fold predictions {said}")
    assert "shifted" not in told


def test_shifted_hearts_are_told_and_decide_nothing():
    both = results("SA", {LARGE: (0.0, -3.0)})
    both.measured += results("SA", {LARGE: (-0.1, 0.0)}, cohorts=("low-field",)).measured
    (told,) = verdicts(both, "clean", ALL_SHIFTED)
    assert f"Clean hearts: better in RV HD than *none*; better in RV HD than *{LARGEST}*." in told
    assert "All shifted hearts: worse in RV DC than *none*; " in told
    assert told.endswith(f"{RIGHT} for this one.")
    assert verdicts(results("SA", {}, cohorts=("low-field",)), "clean", ALL_SHIFTED) == []
