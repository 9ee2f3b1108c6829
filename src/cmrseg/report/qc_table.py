"""What quality control found of an image, line by line, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cmrseg.report.formatting import MeasureText, Table, named, number_text
from cmrseg.report.status import DECISIVE

PSEUDO = (
    "pDC and pHD are the Dice coefficient and the Hausdorff distance between a mask and what "
    "quality control's autoencoder, which knows masks of hearts, makes of it: they stand for those "
    f"between the mask and the truth. Verdict and choice go by those of the {DECISIVE}."
)
"""What the measures are, for whoever has not read the paper (galati2021 section 2.3)."""

Finding = Mapping[str, Any]


def control_table(role: str, found: Finding) -> Table:
    """Quality control's finding on an image, or on a case (no role, "")."""
    rows = (
        MeasureText("verdict", _where(found["out_of_distribution"])),
        MeasureText("because", str(found.get("reason", ""))),
        *_answer(found),
        *_samples(found),
        *_candidates(found),
        *_refinement(found),
    )
    return Table(f"{role} quality control" if role else "Quality control", rows)


def has_pseudo(found: Finding) -> bool:
    """Whether a finding tells pDC and pHD."""
    return bool(found.get("answer"))


def _answer(found: Finding) -> Iterator[MeasureText]:
    """The answer's pDC and pHD by structure, and what is in range."""
    for name, pseudo in found.get("answer", {}).items():
        fence = ""
        if name == DECISIVE and "th_low" in found:
            whose = "cases at hand" if found.get("thresholds") == "cohort" else "bundle"
            low, high = number_text(found["th_low"]), number_text(found["th_up_mm"])
            fence = f" (in range by the {whose}: pDC from {low}, pHD to {high} mm)"
        yield MeasureText(name, _pseudo(pseudo) + fence)


def _samples(found: Finding) -> Iterator[MeasureText]:
    for name, value in found.get("samples_agree", {}).items():
        fence = f"(in range: from {number_text(found['fences'][name])})"
        words = f"{number_text(value)} {fence}"
        yield MeasureText(f"samples of one network agree on {named(name)}", words)


def _candidates(found: Finding) -> Iterator[MeasureText]:
    """Every candidate's measures where there are several, and which was taken."""
    candidates = _by_name(found.get("candidates", ()))
    if len(candidates) > 1:
        for name, measures in candidates.items():
            words = [f"{DECISIVE} {_pseudo(measures[DECISIVE])}"]
            if name in found.get("in_range", {}):
                words.append("in range" if found["in_range"][name] else "out of range")
            words += found.get("faults", {}).get(name, ())
            yield MeasureText(f"candidate {name}", "; ".join(words))
    if "chosen_because" in found:
        noun = "candidate" if len(found["chosen"]) == 1 else "candidates"
        chosen = " and ".join(map(str, found["chosen"]))
        yield MeasureText("taken", f"{noun} {chosen}: {found['chosen_because']}")
    if agreed := found.get("candidates_agree"):
        told = ", ".join(f"{name} {number_text(dice)}" for name, dice in agreed.items())
        yield MeasureText("candidates agree", f"{told} (mean Dice of each with the answer)")


def _refinement(found: Finding) -> Iterator[MeasureText]:
    """Whether refinement ran, what it led to and what it changed, candidate by candidate."""
    told = found.get("refinement")
    if not told:
        return
    before, after = (_where(told[f"out_of_distribution_{when}"]) for when in ("before", "after"))
    led = f"still {after}" if before == after else f"{before} before, {after} after"
    tried = [
        (f"candidate {one.get('candidate', n)}", one)
        for n, one in enumerate(told["candidates"], start=1)
    ]
    kept = f"{told['candidates_kept']} of {len(tried)} candidates changed"
    over = "all flagged cases" if told.get("over") == "cohort" else "this case"
    yield MeasureText("refined", f"on {over}, {told['seconds']:.0f} s: {led}; {kept}")
    for name, one in tried:
        change = ""
        if one["kept"] and {"before", "after"} <= one.keys():
            change = f" {_pseudo(one['before'])} before, {_pseudo(one['after'])} after;"
        done = "changed" if one["kept"] else "as it was"
        yield MeasureText(f"refined {name}", f"{done}:{change} {one['reason']}")


def _by_name(candidates: Sequence[Finding] | Mapping[str, Finding]) -> dict[str, Finding]:
    """Candidates by the name that reasons call them; the bundle's own are numbered from 1."""
    if isinstance(candidates, Mapping):
        return dict(candidates)
    return {str(n): one for n, one in enumerate(candidates, start=1)}


def _pseudo(measures: Mapping[str, float]) -> str:
    return f"pDC {number_text(measures['pDC'])}, pHD {number_text(measures['pHD_mm'])} mm"


def _where(out: bool) -> str:
    return "out of distribution" if out else "in range"
