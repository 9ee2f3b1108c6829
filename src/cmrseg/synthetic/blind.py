"""A blind look: shuffled real and drawn slices on one sheet, and apart from it which are which.

Whoever looks writes down a guess for each number before opening the key. The sheet holds slices of
the user's own images: it is for looking at, never for committing. The key names no patient.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from cmrseg.errors import OutputError
from cmrseg.synthetic.patient import draw_patient
from cmrseg.synthetic.picture import Chosen, choose, draw_slice, save, sheet
from cmrseg.synthetic.reality import Pair

COLUMNS = 4

LOWEST, HIGHEST = 0.1, 0.9
"""Between which heights slices are taken: share of the way through those with labels."""


def blind_sheet(
    real_mnms2: Path | None, real_emidec: Path | None, path: Path, *, slices: int, seed: int
) -> Path:
    """Write a sheet of numbered slices of each kind, each real or drawn by the toss of a coin.

    Args:
        real_mnms2: as for :func:`cmrseg.synthetic.realism.compare`.
        real_emidec: as for :func:`cmrseg.synthetic.realism.compare`.
        path: the picture, a ``.png``; it holds real images.
        slices: of each kind, each of another patient.
        seed: of the choice, the coin and the synthetic patients.

    Returns:
        The key beside it, a ``.key.csv`` with number, kind and truth (``real`` or ``drawn``).

    Raises:
        UsageError: another ending.
        OutputError: the picture or the key cannot be written.
    """
    rng = np.random.default_rng([seed, 2])
    chosen = choose(rng, real_mnms2, real_emidec, slices)
    figure, grid = sheet(path, -(-len(chosen) // COLUMNS), COLUMNS)
    rows = []
    for number, (axis, case) in enumerate(zip(grid.flat, chosen, strict=False), start=1):
        truth, pair = _real_or_drawn(rng, case)
        draw_slice(axis, *pair, float(rng.uniform(LOWEST, HIGHEST)))
        axis.text(0.03, 0.9, str(number), color="yellow", fontsize=11)
        rows.append((number, case[1], truth))
    save(figure, path)
    return _write_key(rows, path.with_suffix(".key.csv"))


def _real_or_drawn(rng: np.random.Generator, case: Chosen) -> tuple[str, Pair]:
    """A real image, or one drawn of a patient of its group."""
    challenge, role, group, pair = case
    seed = int(rng.integers(2**31))
    if rng.random() < 0.5:
        return "real", pair
    patient = draw_patient(challenge, seed, group=group)
    return "drawn", (patient.images[role], patient.labels[role])


def _write_key(rows: list[tuple[int, str, str]], path: Path) -> Path:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("number", "kind", "truth"), *rows])
    except OSError as error:
        raise OutputError(
            f"the key cannot be written ({error.strerror})", "give the sheet another place"
        ) from error
    return path
