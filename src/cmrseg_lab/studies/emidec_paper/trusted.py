"""Would intervals and verdict have been right about patients that they were not fitted on?

And would the verdict have noticed, had a scanner of another style shown them?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmrseg.quality.uncertainty.conformal import FEWEST
from cmrseg.quality.uncertainty.trust import Trust
from cmrseg_lab.studies.emidec_paper.scores import Row
from cmrseg_lab.training.calibration.emidec import Measures, agreement_fences, error_bands


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
        ``<measure>_band`` (its width), and, with samples, ``<structure>_fence``; an empty row where
        the other parts have too few patients.
    """
    rows: list[Row] = [{} for _ in parts]
    for part in sorted(set(parts)):
        here = [place for place, own in enumerate(parts) if own == part]
        others = [place for place, own in enumerate(parts) if own != part]
        if len(others) < FEWEST:
            continue
        fitted = error_bands(_of(ours, others), _of(experts, others))
        lowest = {f"{name}_fence": v for name, v in agreement_fences(_of(agreed, others)).items()}
        for place in here:
            for name, band in fitted.items():
                low, high = band.around(ours[name][place])
                rows[place][f"{name}_band_holds"] = float(low <= experts[name][place] <= high)
                rows[place][f"{name}_band"] = high - low
            rows[place] |= lowest
    return rows


def flagged_by_others(row: Row, trusted: Row) -> bool | None:
    """Whether a patient is out of range by fences of other parts; None where there are none.

    Args:
        row: with ``<structure>_agreement``, of the patient as it is or in another style.
        trusted: the patient's of :func:`trusted_rows`.
    """
    fitted = {name.removesuffix("_fence"): value for name, value in trusted.items()
              if name.endswith("_fence")}  # fmt: skip
    found = {name: row[f"{name}_agreement"] for name in fitted if f"{name}_agreement" in row}
    verdict = Trust(fences=fitted, fitted_on="the other parts").judge(found)
    return verdict["out_of_distribution"] if verdict else None


def _of(values: Mapping[str, Sequence[float]], places: Sequence[int]) -> Measures:
    return {name: [each[place] for place in places] for name, each in values.items()}
