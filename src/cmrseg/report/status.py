"""What a case's record comes to, in plain words, with a colour and a sign that needs none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cmrseg.report.canvas import Sign

Record = Mapping[str, Any]
"""One case as ``summary.json`` tells it."""

DECISIVE = "RV"
"""The structure that quality control judges by (``quality.measures``, which lies above)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One of the verdicts there are.

    Attributes:
        name: a word for programs.
        rank: 0 for the worst; cases are listed by it.
        sign: drawn beside it.
        glyph: the sign as a character, for pages.
        colour: dark enough to be read on white.
        words: what it says.
    """

    name: str
    rank: int
    sign: Sign
    glyph: str
    colour: str
    words: str


FAILED = Kind(
    name="failed",
    rank=0,
    sign="cross",
    glyph="\N{MULTIPLICATION X}",
    colour="#a8201a",
    words="failed: there is no mask",
)
FLAGGED = Kind(
    name="flagged",
    rank=1,
    sign="triangle",
    glyph="\N{BLACK UP-POINTING TRIANGLE}",
    colour="#a84300",
    words="look at it: out of distribution",
)
REVIEW = Kind(
    name="review",
    rank=2,
    sign="diamond",
    glyph="\N{BLACK DIAMOND}",
    colour="#9c1f6e",
    words="look at it: something was guessed or is implausible",
)
PARTIAL = Kind(
    name="partial",
    rank=3,
    sign="half",
    glyph="\N{CIRCLE WITH LEFT HALF BLACK}",
    colour="#6b4e9b",
    words="done in part",
)
WARNED = Kind(
    name="warned",
    rank=4,
    sign="mark",
    glyph="!",
    colour="#7a5c00",
    words="done, with warnings",
)
UNCHECKED = Kind(
    name="unchecked",
    rank=5,
    sign="ring",
    glyph="\N{WHITE CIRCLE}",
    colour="#4d5358",
    words="done, not checked by quality control",
)
PASSED = Kind(
    name="passed",
    rank=5,
    sign="tick",
    glyph="\N{CHECK MARK}",
    colour="#1d6b38",
    words="done, in range for quality control",
)
KINDS = (FAILED, FLAGGED, REVIEW, PARTIAL, WARNED, PASSED, UNCHECKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStatus:
    """A case's verdict.

    Attributes:
        kind: the gravest that applies.
        reasons: why, in words.
        doubt: how uncertain the result is; of two cases alike, the higher comes first.
    """

    kind: Kind
    reasons: tuple[str, ...]
    doubt: float

    @property
    def order(self) -> tuple[int, float]:
        """Worst first, when sorted."""
        return self.kind.rank, -self.doubt


def status_of(record: Record) -> CaseStatus:
    """The verdict on a case.

    Args:
        record: as ``summary.json`` has it: status, error, measures, warnings, review.
    """
    controls = dict(quality(record))
    flags = {role: q for role, q in controls.items() if q["out_of_distribution"]}
    error, warnings = record["error"], tuple(record["warnings"])
    reasons: tuple[str, ...]
    if record["status"] == "failed":
        kind, reasons = FAILED, (error,)
    elif flags:
        # What is odd about the image comes first: it is often why its mask is.
        kind = FLAGGED
        reasons = (*record.get("review", ()), *(why_flagged(role, q) for role, q in flags.items()))
    elif record.get("review"):
        kind, reasons = REVIEW, tuple(record["review"])
    elif record["status"] == "partial":
        kind, reasons = PARTIAL, (error,)
    elif warnings:
        kind, reasons = WARNED, warnings
    else:
        kind, reasons = (PASSED if controls else UNCHECKED), ()
    return CaseStatus(kind=kind, reasons=tuple(filter(None, reasons)), doubt=_doubt(record))


def quality(record: Record) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Role and finding of every image that quality control looked at; no role, "", for a case."""
    measures = record["measures"]
    for role, found in (("", measures), *measures.items()):
        control = found.get("quality") if isinstance(found, Mapping) else None
        if isinstance(control, Mapping) and "out_of_distribution" in control:
            yield role, control


def why_flagged(role: str, control: Mapping[str, Any]) -> str:
    """Why quality control flagged an image, in words for who does not know its measures.

    Args:
        role: the image's; "" for a case.
        control: the finding.
    """
    view = "long axis, " if role.startswith("LA") else ""
    where = f" at {view}{role[3:]}" if role else ""
    doubtful = [f"{n} Dice of {d:.2f} to expect" for n, d in control.get("doubtful", {}).items()]
    answer = control.get("answer", {}).get(DECISIVE)
    if answer and "th_low" in control:
        found = []
        score, distance, limit = answer["pDC"], answer["pHD_mm"], control["th_low"]
        if score < limit:
            digits = 3 if round(score, 2) == round(limit, 2) else 2
            found.append(f"score {score:.{digits}f}, limit {limit:.{digits}f}")
        if distance is None:  # infinite
            found.append(f"no {DECISIVE}")
        elif distance > control["th_up_mm"]:
            found.append(f"distance {distance:.1f} mm, limit {control['th_up_mm']:.1f} mm")
        if doubtful and not found:
            return f"poor mask{where}: {', '.join(doubtful)}"
        measured = "; ".join(found) or "in the mask of every network"
        return "; ".join(
            [f"{DECISIVE} outline unlike trained hearts{where}: {measured}", *doubtful]
        )
    low = [
        f"networks disagree on the {name.replace('_', ' ')}: agreement {value:.2f}, "
        f"limit {control['fences'][name]:.2f}"
        for name, value in control.get("samples_agree", {}).items()
        if value < control["fences"][name]
    ]
    return "; ".join(low) or f"{role}: {control['reason']}".removeprefix(": ")


def warnings_beside(record: Record) -> list[str]:
    """A record's warnings but for those that only say that quality control flagged an image."""
    flags = [found["reason"] for _, found in quality(record) if found["out_of_distribution"]]
    return [one for one in record["warnings"] if not any(reason in one for reason in flags)]


def distrust(role: str) -> str:
    """What speaks against numbers of a flagged image, or of a flagged case (no role, "")."""
    return f"not to be trusted: quality control flagged {role or 'it'}"


def lowest_pdc(record: Record) -> float | None:
    """The lowest pDC of the decisive structure among a case's images; None without any."""
    found = [
        control["answer"][DECISIVE]["pDC"]
        for _, control in quality(record)
        if DECISIVE in control.get("answer", {})
    ]
    return min(found, default=None)


def lowest_agreement(record: Record) -> float | None:
    """The least that networks, mirror images or dropout samples agree on any structure (Dice)."""
    measures = record["measures"]
    tables = [found.get("agreement") for found in measures.values() if isinstance(found, Mapping)]
    tables.append(measures.get("uncertainty", {}).get("dice_within_samples"))
    values = [
        value
        for table in tables
        if isinstance(table, Mapping)
        for value in table.values()
        if isinstance(value, int | float)
    ]
    return min(values, default=None)


def recorded_uncertainty(record: Record) -> float | None:
    """Eq. 4 of arega2021, where the recipe samples; else None."""
    found = record["measures"].get("uncertainty")
    level = found.get("image_level") if isinstance(found, Mapping) else None
    return level if isinstance(level, int | float) else None


def _doubt(record: Record) -> float:
    """Image-level uncertainty, else what pDC or agreement lack to 1."""
    if (level := recorded_uncertainty(record)) is not None:
        return level
    if (pdc := lowest_pdc(record)) is not None:
        return 1 - pdc
    agreed = lowest_agreement(record)
    return 0.0 if agreed is None else 1 - agreed
