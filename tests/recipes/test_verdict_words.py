"""Why masks were flagged and taken, by name."""

import pytest

from cmrseg.quality.control import assess
from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.quality.thresholds import Fences
from cmrseg.recipes.verdict_words import because, reason

FENCES = Fences(th_low=0.9, th_up_mm=10.0, measures=9)
GOOD, FAR, NONE = Pseudo(0.95, 4.0), Pseudo(0.95, 12.0), Pseudo(0.0, 99.0)


def found(*candidates):
    return assess(tuple({"RV": one} for one in candidates), FENCES)


@pytest.mark.parametrize(
    ("candidates", "lacking", "told"),
    [
        ([FAR], {"a": False}, "RV out of range (a: pHD 12.0 > 10.0 mm)"),
        ([NONE], {"a": True}, "RV out of range (a: no RV)"),
        ([GOOD], {"a": False}, "RV in range"),
        (
            [NONE, FAR],
            {"b (x)": True, "a": False},
            "RV out of range in all candidates (b (x): no RV; a: pHD 12.0 > 10.0 mm)",
        ),
        ([NONE, GOOD], {"b": True, "a": False}, "RV in range in 1 of 2 candidates"),
        ([NONE], {"a": False}, "RV out of range (a: pDC 0.000 < 0.900 and pHD 99.0 > 10.0 mm)"),
    ],
)
def test_reasons_go_by_name(candidates, lacking, told):
    assert reason(found(*candidates), lacking) == told


def test_why_masks_are_taken():
    assert because(found(NONE), ["a"], {"a": True}) == "the only mask given"
    none = found(NONE, NONE)
    assert because(none, ["a"], {"a": True, "b": True}) == "the first, as none has an RV"
    one = found(GOOD, FAR)
    assert because(one, ["a"], {"a": False, "b": False}) == one.choice.reason
    two = found(Pseudo(0.95, 30.0), Pseudo(0.94, 20.0))
    told = because(two, ["a", "b"], {"a": False, "b": False})
    assert told.startswith(two.choice.reason)
    assert told.endswith("all candidates vote, and a settles a draw")
