"""One page a run: all cases, worst first, and how their values lie against the training's.

The page is one file that asks for nothing but the cases' pictures beside it; without them it still
shows thumbnails and all numbers. A large cohort has several pages. They are made of what
``summary.json`` tells, so that they list what earlier runs did too.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from cmrseg.cases.challenge import SPECS
from cmrseg.report.columns import COLUMNS, SortColumn, recorded_scores
from cmrseg.report.curve import curves
from cmrseg.report.distribution import distributions, has_fences, svg
from cmrseg.report.formatting import (
    MeasureText,
    Table,
    interval_notes,
    number_text,
    rule_tables,
    seconds,
    segment_tables,
    tables,
)
from cmrseg.report.methods import methods
from cmrseg.report.overlay import COLOURS
from cmrseg.report.overview import Overview, overview
from cmrseg.report.qc_table import PSEUDO, control_table, has_pseudo
from cmrseg.report.status import (
    FLAGGED,
    KINDS,
    CaseStatus,
    Record,
    quality,
    status_of,
    warnings_beside,
)

CASES_A_PAGE = 1000
"""Browsers take some seconds for a page of so many, 11 MB with their thumbnails."""
HERE = Path(__file__).parent
MADE_WITH = {"bundle": "weights of the cases, SHA-256", "candidates": "masks given by"}
"""What settings of a record are called at the page's foot, where not by their own names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A case's picture beside the page.

    Attributes:
        href: percent-encoded, relative to the page.
        thumbnail: a JPEG in base64; None if the picture carries none.
        size: width and height in pixels.
        viewer: what stands where in the next two (``viewer.Leaves.about``); empty for none.
        slices: every slice, percent-encoded like ``href``.
        lines: the contours over them.
    """

    href: str
    thumbnail: str | None
    size: tuple[int, int]
    viewer: str = ""
    slices: str = ""
    lines: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What made the masks, for the page's foot.

    Attributes:
        digest: the bundle's SHA-256.
        manifest: its manifest.
    """

    digest: str
    manifest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A case's number in a column.

    Attributes:
        title: the column's, with its unit.
        value: to sort by; None for none.
        text: the number in words.
        doubt: why it is not to be trusted; empty if nothing says so.
    """

    title: str
    value: float | None
    text: str
    doubt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFile:
    """A mask beside the page.

    Attributes:
        role: of its image.
        path: as it is called, relative to the page.
        href: percent-encoded.
        slicer: a command that opens it in 3D Slicer, called where the page lies.
    """

    role: str
    path: str
    href: str
    slicer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEntry:
    """One case as the page shows it.

    Attributes:
        number: its place in the summary; names its anchor.
        record: as the summary tells it.
        verdict: what it comes to.
        warnings: those that the verdict does not tell.
        cells: its numbers, by column.
        picture: None if there is none.
        overview: its numbers at a glance.
        tables: its measures, every one.
        notes: what its intervals are.
        controls: quality control's findings by role.
        curves: the volumes of a cine's frames, drawn; empty without one.
    """

    number: int
    record: Record
    verdict: CaseStatus
    warnings: tuple[str, ...]
    cells: tuple[Cell, ...]
    picture: Picture | None
    overview: Overview
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    controls: tuple[Table, ...]
    curves: Markup

    @property
    def timings(self) -> list[MeasureText]:
        """Where its time went."""
        return list(seconds(self.record["timings_s"]))

    @property
    def masks(self) -> list[MaskFile]:
        """Where its masks lie."""
        return [mask_file(role, path) for role, path in self.record.get("masks", {}).items()]


def run_pages(
    summary: Mapping[str, Any],
    picture_of: Callable[[str], Picture | None],
    weights: Weights | None = None,
    stem: str = "report",
    *,
    command: str = "",
    made: datetime | None = None,
) -> Iterator[tuple[str, str]]:
    """The pages of a run, one after the other: all at once would fill the memory.

    Args:
        summary: as ``summary.json`` has it.
        picture_of: case id -> its picture, if it has one.
        weights: what made the masks.
        stem: of the first page's name; further ones add ``.2`` and so on.
        command: what was called.
        made: when.

    Yields:
        A file's name and its HTML, with :data:`CASES_A_PAGE` cases at most.
    """
    records: Sequence[Record] = summary["cases"]
    verdicts = [status_of(record) for record in records]
    order = sorted(range(len(records)), key=lambda n: verdicts[n].order)
    parts = [order[at : at + CASES_A_PAGE] for at in range(0, len(order), CASES_A_PAGE)] or [[]]
    files = [f"{stem}.{n}.html" if n > 1 else f"{stem}.html" for n in range(1, len(parts) + 1)]
    places = {n: file for file, part in zip(files[1:], parts[1:], strict=True) for n in part}
    counted = Counter(verdict.kind for verdict in verdicts)
    columns = [
        column
        for column in COLUMNS[summary["challenge"]]
        if any(column.value(record) is not None for record in records)
    ]
    manifest = weights.manifest if weights else {}
    drawn = distributions(summary["challenge"], records, manifest)
    names = [str(record["case"]) for record in records]
    colours = "".join(f".{kind.name} {{ color: {kind.colour}; }}\n" for kind in KINDS)
    structures = SPECS[summary["challenge"]].labels
    colours += "".join(f".pen{k} {{ border-color: {COLOURS[k]}; }}\n" for k in structures)
    css, js = _file("page.css") + colours, _file("page.js")
    told = {
        "summary": summary,
        "total": len(records),
        "files": [quote(file) for file in files],
        "counts": [(kind, counted[kind]) for kind in KINDS if counted[kind]],
        "kinds": KINDS,
        "doubted": FLAGGED,
        "columns": columns,
        "pseudo": PSEUDO if any(_has_pseudo(record) for record in records) else "",
        "about": list(_about(summary, weights, command)),
        "made": f"{made:%Y-%m-%d %H:%M} UTC" if made else "",
        "command": command,
        "structures": structures,
        "methods": methods(summary, manifest, weights.digest if weights else ""),
        "scores": recorded_scores(manifest),
        "css": Markup(css),
        "js": Markup(js),
        "policy": _policy(css, js),
    }
    drawings = [(one, svg(one, names, places)) for one in drawn]
    for file, part in zip(files, parts, strict=True):
        first = file == files[0]
        yield (
            file,
            _template().render(
                told,
                entries=[_entry(n, records[n], columns, picture_of) for n in part],
                here=quote(file),
                drawings=drawings if first else [],
                fenceless=first and not has_fences(manifest),
            ),
        )


def _entry(
    n: int,
    record: Record,
    columns: Sequence[SortColumn],
    picture_of: Callable[[str], Picture | None],
) -> PageEntry:
    return PageEntry(
        number=n,
        record=record,
        verdict=status_of(record),
        warnings=tuple(warnings_beside(record)),
        cells=tuple(_cell(column, record) for column in columns),
        picture=picture_of(record["case"]),
        overview=overview(record),
        tables=(
            *tables(record["measures"]),
            *rule_tables(record["measures"]),
            *segment_tables(record["measures"]),
        ),
        notes=tuple(interval_notes(record["measures"])),
        controls=tuple(control_table(role, found) for role, found in quality(record)),
        curves=curves(record["measures"]),
    )


def _has_pseudo(record: Record) -> bool:
    return any(has_pseudo(found) for _, found in quality(record))


def _cell(column: SortColumn, record: Record) -> Cell:
    value = column.value(record)
    text = "" if value is None else number_text(value)
    title = ", ".join(filter(None, (column.title, column.unit)))
    return Cell(title=title, value=value, text=text, doubt=column.doubt(record) if text else "")


def mask_file(role: str, path: str) -> MaskFile:
    """How a mask is linked and opened."""
    code = f"slicer.util.loadVolume('IMAGE'); slicer.util.loadSegmentation({path!r})"
    href = quote(os.fsencode(path))
    return MaskFile(
        role=role, path=path, href=href, slicer=f"Slicer --python-code {shlex.quote(code)}"
    )


def _about(summary: Mapping[str, Any], weights: Weights | None, command: str) -> list[MeasureText]:
    """Versions, digests and settings, each as often as the run's cases differ in it."""
    rows = [
        MeasureText("cmrseg", str(summary["cmrseg"])),
        MeasureText("input layout", str(summary["contract"])),
    ]
    rows += [MeasureText("command", command)] if command else []
    told: dict[str, Counter[str]] = {}
    for record in summary["cases"]:
        for key, value in record["computed"].items():
            told.setdefault(key, Counter())[str(value)] += 1
    for key, values in told.items():
        several = len(values) > 1
        words = [f"{v} ({n} cases)" if several else v for v, n in values.most_common()]
        rows.append(MeasureText(MADE_WITH.get(key, key), ", ".join(words)))
    if weights:
        rows.append(MeasureText("weights of this run, SHA-256", weights.digest))
        manifest = weights.manifest
        rows += [
            MeasureText(f"weights: {key}", str(manifest[key]))
            for key in ("cmrseg", "commit")
            if manifest.get(key)
        ]
        for network in manifest.get("networks", ()):
            digest = manifest.get("files", {}).get(network["file"], "")
            rows.append(
                MeasureText(f"network {network['recipe']}", f"{network['file']}, SHA-256 {digest}")
            )
        for name, data in manifest.get("data", {}).items():
            rows.append(
                MeasureText(f"learned from {name}", f"{data.get('title')} ({data.get('licence')})")
            )
    return rows


def _policy(css: str, js: str) -> str:
    """What the page may load: its own style and script by their digests, images beside it."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {digest(css)}; script-src {digest(js)}; "
        "img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
    )


@lru_cache(maxsize=4)
def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_file("page.html"))
