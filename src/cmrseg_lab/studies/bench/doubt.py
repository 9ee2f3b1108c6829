"""What a case's mirror images and dropout samples cost, an ensemble's and five folds'.

With five folds a network sees every mirror image and the networks share the samples, so a bundle
of fewer networks tells what five would take: five times its mirror images a network, and the same
samples.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from cmrseg.cases.challenge import EMIDEC
from cmrseg.imaging.volume import Volume
from cmrseg.models.ensemble import MIRRORS, Segmenter
from cmrseg.recipes.emidec import SAMPLES
from cmrseg_lab.studies.bench.table import BenchRow, Spread

FOLDS = 5
NETWORKS_S = 9.0
"""Aim: of the 10 s that a case may take on two cores, what the networks may."""


def sampling_rows(segmenter: Segmenter, image: Volume, rounds: int) -> Iterator[BenchRow]:
    """Seconds of mirror images and of samples, and of both for five folds.

    Args:
        segmenter: EMIDEC's, with at least one network.
        image: prepared, (z, y, x).
        rounds: measurements, after one to warm up.
    """
    networks, mirrored, drawn = len(segmenter.networks), [], []
    for number in range(rounds + 1):
        started = time.perf_counter()
        segmenter.mirrored(image, len(MIRRORS))
        between = time.perf_counter()
        segmenter.dropout_samples(image, SAMPLES)
        if number:
            mirrored.append(between - started)
            drawn.append(time.perf_counter() - between)
    of = f"{networks} network{'' if networks == 1 else 's'}, {segmenter.precision}"
    mirrors, samples = Spread.of(mirrored), Spread.of(drawn)
    yield _row(f"{len(MIRRORS)} mirror images, {of}", mirrors)
    yield _row(f"{SAMPLES} dropout samples, {of}", samples)
    one = samples.times(1 / SAMPLES).per(mirrors.times(1 / (networks * len(MIRRORS))))
    yield BenchRow(recipe=EMIDEC.name, figure="  a sample per pass", value=one, unit="x")
    five = [FOLDS / networks * m + s for m, s in zip(mirrored, drawn, strict=True)]
    yield _row(f"both for {FOLDS} networks", Spread.of(five), NETWORKS_S)


def _row(figure: str, value: Spread, aim: float | None = None) -> BenchRow:
    return BenchRow(recipe=EMIDEC.name, figure=figure, value=value, unit="s", aim=aim)
