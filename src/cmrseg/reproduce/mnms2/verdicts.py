"""Whether quality control can be trusted: its measures, and its verdict, beside the truth."""

from __future__ import annotations

from collections.abc import Sequence

from cmrseg.evaluation.mnms2 import VIEW_WEIGHTS
from cmrseg.evaluation.table import Grid
from cmrseg.quality.measures import Pseudo
from cmrseg.reproduce.mnms2.hearts import CLEAN
from cmrseg.reproduce.mnms2.measure import Measured
from cmrseg.reproduce.mnms2.tables import Results
from cmrseg.training.detection import POOR, Pair
from cmrseg.training.detection import detection as judged


def detection(all_results: Sequence[Results]) -> Grid:
    """How well pseudo-measures tell true ones on segmenters' own masks, all cohorts together."""
    header = ["bundle", "view", "masks", f"Dice < {POOR}", "Spearman pDC, Dice"]
    header += ["Spearman pHD, HD", f"ROC area for Dice < {POOR}"]
    lines = []
    for results in all_results:
        for view in VIEW_WEIGHTS:
            pairs = [
                Pair(Pseudo(row["rv_dice"], row["rv_hd_mm"]), Pseudo(*pseudo))
                for one in results.measured
                if one.heart.role.startswith(view) and one.pseudo
                for row, pseudo in zip(one.candidates, one.pseudo, strict=True)
            ]
            if pairs:
                told = judged(pairs)
                values = (told.spearman_dc, told.spearman_hd, told.auc)
                cells = ["-" if value is None else f"{value:.3f}" for value in values]
                lines.append([results.name, view, str(told.masks), str(told.poor), *cells])
    return Grid(header=header, lines=lines)


def hits(all_results: Sequence[Results]) -> Grid:
    """How many poor answers of {M}+QC are flagged, and how many flagged ones are poor.

    The verdict is of the image ("no candidate is in range"), the answer one of its candidates.
    """
    header = ["bundle", "view", "hearts", "answers", f"Dice < {POOR}", "of these flagged"]
    header += ["flagged", f"of these Dice < {POOR}", "mean Dice of flagged and of others"]
    lines = []
    for results in all_results:
        for view in VIEW_WEIGHTS:
            for hearts, clean in (("as they are", True), ("shifted", False)):
                own = [m for m in results.measured if m.heart.role.startswith(view) and m.pseudo
                       and (m.heart.cohort in CLEAN) == clean]  # fmt: skip
                if own:
                    lines.append([results.name, view, hearts, str(len(own)), *_counts(own)])
    return Grid(header=header, lines=lines)


def _counts(own: Sequence[Measured]) -> list[str]:
    poor = [one for one in own if one.qc["rv_dice"] < POOR]
    flagged = [one for one in own if one.ood]
    both = sum(one.ood for one in poor)
    means = [_mean([one for one in own if one.ood == ood]) for ood in (True, False)]
    return [str(len(poor)), str(both), str(len(flagged)), str(both), " / ".join(means)]


def _mean(own: Sequence[Measured]) -> str:
    return f"{sum(one.qc['rv_dice'] for one in own) / len(own):.3f}" if own else "-"
