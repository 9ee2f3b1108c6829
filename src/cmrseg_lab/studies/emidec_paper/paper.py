"""What arega2021 prints (hal-03349833): mean and, where it gives one, standard deviation.

All on the challenge's hidden test set of 50 cases; ours are out of fold on other patients, so the
two can stand side by side and not be subtracted.
"""

from __future__ import annotations

CITED = "Arega, Bricq, Meriaudeau, UNSURE 2021 (hal-03349833)"

ABLATION: dict[str, dict[str, str]] = {
    "baseline": {
        "myocardium_dice": "88.0 (2.63)",
        "myocardium_hd_official_mm": "12.1 (7.79)",
        "myocardium_brier_near": "4.03 (2.45)",
        "infarction_dice": "65.0 (29.7)",
        "infarction_volume_difference_cm3": "3.04 (5.0)",
        "infarction_brier_near": "1.19 (1.81)",
    },
    "proposed": {
        "myocardium_dice": "88.2 (2.55)",
        "myocardium_hd_official_mm": "11.8 (7.26)",
        "myocardium_brier_near": "3.86 (2.8)",
        "infarction_dice": "67.6 (28.8)",
        "infarction_volume_difference_cm3": "2.99 (4.55)",
        "infarction_brier_near": "1.18 (1.83)",
    },
}
"""Table 1. Over which voxels its Brier score is taken it does not say (see ``scores``)."""

_COLUMNS = (
    "myocardium_dice",
    "myocardium_volume_difference_cm3",
    "myocardium_hd_official_mm",
    "infarction_dice",
    "infarction_volume_difference_cm3",
    "infarction_pd_percent",
    "no_reflow_dice",
    "no_reflow_volume_difference_cm3",
    "no_reflow_pd_percent",
)


def _row(figures: str) -> dict[str, str]:
    return dict(zip(_COLUMNS, figures.split(), strict=True))


STATE_OF_THE_ART: dict[str, dict[str, str]] = {
    "Zhang": _row("87.86 9.26 13.01 71.24 3.12 2.38 78.51 0.635 0.38"),
    "Ma": _row("86.28 10.2 14.31 62.24 4.87 3.50 77.76 0.830 0.49"),
    "Feng et al.": _row("83.56 15.2 33.77 54.68 3.97 2.89 72.22 0.883 0.53"),
    "Arega et al., proposed": _row("88.22 9.23 11.78 67.64 2.99 2.29 81.00 0.601 0.37"),
}
"""Table 2."""
