"""The two sides of a comparison, and what their scores say by structure and metric.

A side is a folder of predictions, made with a bundle if one is given.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from cmrseg.cases.challenge import Challenge
from cmrseg.cases.summary import cell
from cmrseg.evaluation.paired import FEWEST, Paired, Rows, differences, holm, paired
from cmrseg.evaluation.pairs import Index, index
from cmrseg.evaluation.table import Column, Layout, TextTable
from cmrseg.models import bundle
from cmrseg.runtime.errors import InputError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two.

    Attributes:
        name: how it is called in tables.
        folder: its predictions.
        masks: case -> role -> predicted mask.
        about: what it is, for whoever reads the tables.
    """

    name: str
    folder: Path
    masks: Index
    about: str


def side(
    challenge: Challenge, name: str, place: Path, images: Path | None, out: Path, device: str
) -> Side:
    """A side from what the user gave.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        name: how to call it.
        place: a weights bundle, or a folder of predictions.
        images: the cases to segment with a bundle, in the challenge's layout.
        out: where a bundle's predictions go; what is there of the same images and weights stays.
        device: where to compute.

    Raises:
        UsageError: a bundle and no images.
        InputError: no case could be segmented, or there are no predictions.
        WeightsError: the bundle is incomplete, altered or another challenge's.
    """
    if not bundle.is_there(challenge, place):
        return Side(
            name=name,
            folder=place,
            masks=index(challenge, "predictions", place, by_name=True),
            about="predictions",
        )
    if images is None:
        raise UsageError(f"{name} is a weights bundle", "say with --images what to segment")
    from cmrseg.run.predict import predict

    found = bundle.find(challenge, place)
    # Uncertainty is not compared; its samples would cost most of the time.
    code = predict(
        challenge,
        images,
        out,
        weights=found.folder,
        labels="all",
        samples=0,
        resume=True,
        device=device,
    )
    try:
        masks = index(challenge, "predictions", out, by_name=True)
    except InputError as error:
        raise InputError(f"{name} segmented nothing (exit code {code})", "see above") from error
    return Side(name=name, folder=out, masks=masks, about=_about(found))


def _about(found: bundle.Bundle) -> str:
    """Digest, and which data each network learned from: scores on those patients are no scores."""
    told = [f"bundle {found.digest[:12]}"]
    for network in found.networks:
        training = network["training"]
        fold = training["fold"]
        held = "nobody held out" if fold is None else f"fold {fold} of {training['folds']} held out"
        told.append(f"{network['recipe']} learned from {', '.join(training['sources'])} ({held})")
    return "; ".join(told)


HIGHER_IS_BETTER = ("dice",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMetric:
    """One metric of one structure, on the cases that both sides have it of.

    Attributes:
        title: the structure, as the challenge's table names it.
        column: the metric: its title, unit and digits.
        metric: its name in the rows.
        first: the first side's mean, in the stored unit.
        other: the other's.
        found: what the differences, first less other, say.
        p_holm: Wilcoxon's p, corrected for all lines of the table (Holm).
    """

    title: str
    column: Column
    metric: str
    first: float
    other: float
    found: Paired
    p_holm: float

    @property
    def better(self) -> tuple[int, int]:
        """Cases in which the first, and in which the other side is better."""
        won = self.found.larger, self.found.smaller
        return won if self.column.metric.endswith(HIGHER_IS_BETTER) else (won[1], won[0])


def lines(first: Rows, other: Rows, layout: Layout) -> list[ComparedMetric]:
    """Every cell of a challenge's table that both sides have, compared case by case.

    Args:
        first: case -> metric -> value.
        other: the same of the other side.
        layout: the challenge's lines and columns.
    """
    found: list[tuple[str, Column, str, Paired]] = []
    for title, prefix in layout.lines:
        for column in layout.columns:
            metric = f"{prefix}_{column.metric}"
            if gains := differences(first, other, metric):
                found.append((title, column, metric, paired(list(gains.values()))))
    corrected = holm([one.p for *_, one in found])
    return [
        ComparedMetric(
            title=title,
            column=column,
            metric=metric,
            first=_mean(first, other, metric),
            other=_mean(other, first, metric),
            found=one,
            p_holm=p,
        )
        for (title, column, metric, one), p in zip(found, corrected, strict=True)
    ]


def _mean(rows: Rows, others: Rows, metric: str) -> float:
    """Over the cases that both have."""
    return fmean(
        row[metric]
        for case, row in rows.items()
        if metric in row and metric in others.get(case, {})
    )


def comparison_table(
    compared: Sequence[ComparedMetric], first: str, other: str, *, won: bool = True
) -> TextTable:
    """The lines in words.

    Args:
        compared: the lines.
        first: the first side's name.
        other: the other's.
        won: whether one side can be better: not so of volumes without a truth.
    """
    header = ["", "n", first, other, f"{first} - {other} (95 %)", "p", "p (Holm)"]
    header += [f"better: {first} / {other}"] if won else []
    cells = []
    for line in compared:
        scale, digits = line.column.scale, line.column.decimals
        told = [f"{scale * v:.{digits}f}" for v in (line.first, line.other)]
        gain = [
            f"{scale * v:+.{digits}f}" for v in (line.found.mean, line.found.low, line.found.high)
        ]
        row = [f"{line.title} {line.column.title}", str(line.found.n), *told]
        within = f" ({gain[1]} to {gain[2]})" if line.found.n >= FEWEST else ""
        row += [f"{gain[0]}{within}", f"{line.found.p:.2g}", f"{line.p_holm:.2g}"]
        row += [f"{line.better[0]} / {line.better[1]}"] if won else []
        cells.append(row)
    return TextTable(header=header, lines=cells)


def statistics_csv(compared: Sequence[ComparedMetric]) -> str:
    """One line a metric, in the stored units, unrounded."""
    text = io.StringIO()
    names = [
        "metric",
        "n",
        "first",
        "other",
        "difference",
        "low",
        "high",
        "p",
        "p_holm",
        "first_larger",
        "other_larger",
    ]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for line in compared:
        f = line.found
        numbers = (line.first, line.other, f.mean, f.low, f.high, f.p, line.p_holm)
        writer.writerow([line.metric, f.n, *map(repr, numbers), f.larger, f.smaller])
    return text.getvalue()


def comparison_csv(sides: Mapping[str, Rows]) -> str:
    """One line a case and metric: what each side has, empty where it has none."""
    keys = {(case, m): None for rows in sides.values() for case, row in rows.items() for m in row}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "metric", *map(cell, sides)])
    for case, metric in keys:
        values = [rows.get(case, {}).get(metric) for rows in sides.values()]
        writer.writerow(
            [cell(case), metric, *("" if v is None else repr(float(v)) for v in values)]
        )
    return text.getvalue()
