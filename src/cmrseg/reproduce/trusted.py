"""Would intervals and verdict have been right about patients that they were not fitted on?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmrseg.challenges.emidec_calibration import Measures, bands, fences
from cmrseg.reproduce.scores import Row
from cmrseg.uncertainty.conformal import FEWEST
from cmrseg.uncertainty.trust import Trust

FLAGGED = "flagged"


def trusted_rows(
    ours: Measures,
    experts: Measures,
    agreed: Mapping[str, Sequence[float]],
    parts: Sequence[int],
) -> list[Row]:
    """For each patient, by what was fitted on all other parts.

    Args:
        ours: measure -> the networks' value of each patient.
        experts: measure -> the expert's.
        agreed: structure -> how far each patient's samples agree; empty without samples.
        parts: the part each patient is in.

    Returns:
        ``<measure>_band_holds`` (1 where the interval holds the expert's value, else 0),
        ``<measure>_band`` (its width), and, with samples, :data:`FLAGGED` (1 or 0); an empty row
        where the other parts have too few patients.
    """
    rows: list[Row] = [{} for _ in parts]
    for part in sorted(set(parts)):
        here = [place for place, own in enumerate(parts) if own == part]
        others = [place for place, own in enumerate(parts) if own != part]
        if len(others) < FEWEST:
            continue
        fitted = bands(_of(ours, others), _of(experts, others))
        trust = Trust(fences=fences(_of(agreed, others)), fitted_on="the other parts")
        for place in here:
            for name, band in fitted.items():
                low, high = band.around(ours[name][place])
                rows[place][f"{name}_band_holds"] = float(low <= experts[name][place] <= high)
                rows[place][f"{name}_band"] = high - low
            verdict = trust.judge({name: values[place] for name, values in agreed.items()})
            if verdict:
                rows[place][FLAGGED] = float(verdict["out_of_distribution"])
    return rows


def _of(values: Mapping[str, Sequence[float]], places: Sequence[int]) -> Measures:
    return {name: [each[place] for place in places] for name, each in values.items()}
