"""What became of refinement: how it ended, and what it did to the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from cmrseg.evaluation.table import Grid
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
    """RV scores of images with a refined candidate that was kept, before and after."""
    lines = []
    for results in all_results:
        for view in VIEWS:
            own = [m for m in _tried(results, view) if (m.refinement or {})["candidates_kept"]]
            if own:
                told = [_means(own, "rv_dice", 3), _means(own, "rv_hd_mm", 1)]
                better = sum(one.full["rv_dice"] > one.qc["rv_dice"] for one in own)
                worse = sum(one.full["rv_dice"] < one.qc["rv_dice"] for one in own)
                lines.append([results.name, view, str(len(own)), *told, f"{better} / {worse}"])
    header = ["bundle", "view", "images", "RV DC", "RV HD (mm)", "DC higher / lower"]
    return Grid(header=header, lines=lines)


def _tried(results: Results, view: str) -> list[Measured]:
    return [m for m in results.measured if m.refinement and m.heart.role.startswith(view)]


def _means(own: Sequence[Measured], metric: str, digits: int) -> str:
    """Before and after refinement."""
    before, after = (np.mean([row[metric] for row in rows])
                     for rows in ([one.qc for one in own], [one.full for one in own]))  # fmt: skip
    return f"{before:.{digits}f} to {after:.{digits}f}"
