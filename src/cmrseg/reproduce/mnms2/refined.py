"""What became of refinement: how it ended, and whose answer it changed.

A candidate that learned to please the autoencoder has a better pDC afterwards, and may by that take
the place of another candidate, which quality control had chosen before: so gains and losses are
told apart by whether the answer comes from the same candidates as before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from cmrseg.evaluation.table import Grid
from cmrseg.quality.measures import Pseudo
from cmrseg.quality.selection import choose
from cmrseg.quality.thresholds import Fences
from cmrseg.reproduce.mnms2.measure import Measured
from cmrseg.reproduce.mnms2.tables import Results

VIEWS = ("SA", "LA")


def endings(all_results: Sequence[Results]) -> Grid:
    """How the refinement of candidates ended, by bundle and view."""
    lines = []
    for results in all_results:
        for view in VIEWS:
            counts = Counter(
                candidate["reason"]
                for one in _tried(results, view)
                for candidate in (one.refinement or {})["candidates"]
            )
            lines += [[results.name, view, why, str(n)] for why, n in counts.most_common()]
    return Grid(header=["bundle", "view", "how it ended", "candidates"], lines=lines)


def answers(all_results: Sequence[Results]) -> Grid:
    """RV scores of images with a refined candidate, by whose answer they got."""
    lines = []
    for results in all_results:
        for view in VIEWS:
            for same, whose in ((True, "the same"), (False, "another")):
                own = [one for one in _kept(results, view) if same_candidates(one) == same]
                if own:
                    told = [_means(own, "rv_dice", 3), _means(own, "rv_hd_mm", 1)]
                    better = sum(one.full["rv_dice"] > one.qc["rv_dice"] for one in own)
                    worse = sum(one.full["rv_dice"] < one.qc["rv_dice"] for one in own)
                    counts = [str(len(own)), *told, f"{better} / {worse}"]
                    lines.append([results.name, view, whose, *counts])
    header = ["bundle", "view", "answered by", "images", "RV DC", "RV HD (mm)"]
    return Grid(header=[*header, "DC higher / lower"], lines=lines)


def same_candidates(one: Measured) -> bool:
    """Whether the answer comes from the candidates that it came from before refinement."""
    low, high = one.fences or (0.0, np.inf)
    fences = Fences(th_low=low, th_up_mm=high, measures=0)
    before, after = (
        choose([Pseudo(*each) for each in pseudo], fences).candidates
        for pseudo in (one.pseudo, one.pseudo_after)
    )
    return before == after


def _tried(results: Results, view: str) -> list[Measured]:
    return [m for m in results.measured if m.refinement and m.heart.role.startswith(view)]


def _kept(results: Results, view: str) -> list[Measured]:
    return [m for m in _tried(results, view) if (m.refinement or {})["candidates_kept"]]


def _means(own: Sequence[Measured], metric: str, digits: int) -> str:
    """Before and after refinement."""
    before, after = (np.mean([row[metric] for row in rows])
                     for rows in ([one.qc for one in own], [one.full for one in own]))  # fmt: skip
    return f"{before:.{digits}f} to {after:.{digits}f}"
