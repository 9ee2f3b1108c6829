"""A paragraph for the methods section of a paper, made of what a run recorded, with its sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmrseg.cases.challenge import EMIDEC, MNMS2
from cmrseg.report.status import Record, quality


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeMethod:
    """What a recipe does, and who described it.

    Attributes:
        images: what it segments.
        structures: what it finds.
        control: how quality control judges.
        paper: to be cited.
    """

    images: str
    structures: str
    control: str
    paper: str


SOURCES: Mapping[str, RecipeMethod] = {
    EMIDEC.name: RecipeMethod(
        images="Late gadolinium enhancement short-axis stacks",
        structures="the left ventricular cavity, the normal myocardium, infarction and no-reflow",
        control="cases whose Monte-Carlo dropout samples agreed less than those of held-out "
        "patients do",
        paper="Arega TW, Bricq S, Meriaudeau F. Leveraging Uncertainty Estimates to Improve "
        "Segmentation Performance in Cardiac MR. UNSURE 2021.",
    ),
    MNMS2.name: RecipeMethod(
        images="Cine images",
        structures="the left ventricular cavity, the myocardium and the right ventricular cavity",
        control="images whose right ventricle differed from its reconstruction by an autoencoder "
        "more than those of held-out patients do",
        paper="Galati F, Zuluaga MA. Using Out-of-Distribution Detection for Model Refinement in "
        "Cardiac Image Segmentation. STACOM 2021.",
    ),
}
PHASES = {"_ED": "end-diastole", "_ES": "end-systole"}
SOFTWARE = "cmrseg: cardiac MR segmentation that says how far each result can be trusted."
OWN = "this repository"
"""What manifests cite where there is no paper."""


@dataclass(frozen=True, slots=True)
class Methods:
    """The paragraph, and its numbered sources."""

    text: str
    sources: tuple[str, ...]


def methods(summary: Mapping[str, Any], manifest: Mapping[str, Any], digest: str) -> Methods:
    """What was done in a run, in words.

    Args:
        summary: the parsed ``summary.json``.
        manifest: of the weights; may be empty.
        digest: of the weights; empty if unknown.
    """
    source = SOURCES[summary["challenge"]]
    records: Sequence[Record] = summary["cases"]
    data = [one["cite"] for one in manifest.get("data", {}).values() if one.get("cite", OWN) != OWN]
    cited = (f"{SOFTWARE} Version {summary['cmrseg']}.", source.paper, *dict.fromkeys(data))
    roles = {role for one in records for role in one["measures"]}
    phases = [words for end, words in PHASES.items() if any(role.endswith(end) for role in roles)]
    at = f" at {' and '.join(phases)}" if phases else ""
    views = {role[:2].lower() for role in roles}
    serving = {summary["challenge"], *(f"{summary['challenge']}-{view}" for view in views)}
    networks = [one for one in manifest.get("networks", ()) if one["recipe"] in serving]
    said = [
        f"{source.images}{at} were segmented with cmrseg {summary['cmrseg']} [1], which follows "
        f"[2], into {source.structures}.",
        *_computed(records, len(networks)),
        *_judged(records, source),
    ]
    if len(cited) > 2:
        numbers = ", ".join(f"[{n}]" for n in range(3, len(cited) + 1))
        said.append(f"The weights were trained on the data of {numbers} and on synthetic cases.")
    if digest:
        said.append(f"The weights have the SHA-256 digest {digest[:12]}.")
    return Methods(" ".join(said), tuple(f"[{n}] {one}" for n, one in enumerate(cited, start=1)))


def _computed(records: Sequence[Record], networks: int) -> list[str]:
    """Passes and device, as most cases have them."""
    usual = Counter(
        tuple(str(record["computed"].get(key, "")) for key in ("mirrors", "samples", "device"))
        for record in records
        if record["computed"]
    ).most_common(1)
    if not usual:
        return []
    mirrors, samples, device = usual[0][0]
    if not mirrors:
        return ["The masks were made elsewhere; cmrseg judged them and chose among them."]
    of = f"an ensemble of {networks} networks" if networks else "an ensemble of networks"
    flips = f" with test-time augmentation by flips ({mirrors} in all)" if mirrors != "1" else ""
    said = [f"Masks are those of {of}{flips}."]
    if samples not in ("", "0"):
        said.append(
            f"Uncertainty is the predictive entropy and the variance of {samples} Monte-Carlo "
            "dropout samples."
        )
    return [*said, f"Computations ran on {device}."]


def _judged(records: Sequence[Record], source: RecipeMethod) -> list[str]:
    """How many were flagged, if any was judged."""
    found = [control["out_of_distribution"] for one in records for _, control in quality(one)]
    if not found:
        return []
    return [f"Quality control flagged {source.control}: {sum(found)} of {len(found)}."]
