"""The clinical fields that come with EMIDEC cases, made up to fit the synthetic heart.

The organisers' files have 13 fields (Lalande et al., Data 5(4):89, 2020), the first being the gap
between slices. Some of their colons follow a no-break space in Latin-1, which is not UTF-8: a
reader that assumes UTF-8 fails on them, so the synthetic files have it too.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

NO_BREAK = "\xa0"


def draw_clinical(rng: np.random.Generator, sick: bool, ef: float) -> dict[str, str | float]:
    """Fields 2 to 13 of a patient, by the names in the files.

    Args:
        rng: all randomness.
        sick: whether the heart has an infarct.
        ef: LV ejection fraction, 0 to 1.
    """
    yes = _Coin(rng)
    return {
        "Sex" + NO_BREAK: "M" if rng.random() < (0.77 if sick else 0.53) else "F",
        "Age": int(np.clip(rng.normal(60 if sick else 64, 12), 24, 93)),
        "Tobacco": int(rng.integers(1, 4)),
        "Overweight": yes(0.45),
        "Arterial hypertension": yes(0.45),
        "Diabetes": yes(0.2),
        "Familial history of coronary artery disease": yes(0.25),
        "ECG (ST +)": yes(0.7 if sick else 0.15),
        "Troponin": round(float(np.exp(rng.normal(4.2 if sick else 0.3, 1.0))), 1),
        "Killip Max": int(min(1 + rng.geometric(0.75 if sick else 0.93) - 1, 4)),
        # echocardiography rounds to five per cent
        "FEVG": int(5 * round(100 * ef / 5)),
        "NTProBNP": int(np.exp(rng.normal(6.6 if sick else 5.2, 1.0))),
    }


def clinical_text(case_name: str, gap_mm: float, fields: Mapping[str, str | float]) -> bytes:
    """The text file of a case, Latin-1 as the organisers' are.

    Args:
        case_name: ``Case P001``, with a space.
        gap_mm: distance of slices.
        fields: from :func:`draw_clinical`.
    """
    lines = [case_name, "", f"Gap between slices{NO_BREAK}: {gap_mm:g} mm"]
    lines += [f"{name.rstrip(' ')}: {value}" for name, value in fields.items()]
    return ("\n".join(lines) + "\n").encode("latin-1")


class _Coin:
    """Y or N."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def __call__(self, chance: float) -> str:
        return "Y" if self.rng.random() < chance else "N"
