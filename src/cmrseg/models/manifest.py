"""What a bundle's ``manifest.json`` says: these types are the file's own shape, nothing is parsed.

`cmrseg-lab pack` writes it; calibration adds ``quality`` (M&Ms-2) or ``rules`` and ``trust``
(EMIDEC), validation ``scores_out_of_fold``. Keys that older bundles lack are not required.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

if TYPE_CHECKING:
    from cmrseg.imaging.prepare import Preparation


class DataEntry(TypedDict):
    """A data set that networks learned from."""

    title: str
    licence: str
    cite: str
    lv_alone: NotRequired[bool]


class NetworkEntry(TypedDict):
    """One network: its file, what it is for, its shape, and how it was trained.

    ``training`` has the preset's values, whom the network was trained on (``sources``, ``fold``,
    ``trained_on``, ...) and, if it went on from another network, that one's (``started_from``).
    """

    file: str
    recipe: str
    config: Mapping[str, Any]
    training: Mapping[str, Any]
    preparation: NotRequired[Preparation]


class FencesEntry(TypedDict):
    """Thresholds of one role (:class:`cmrseg.quality.selection.Fences`)."""

    th_low: float
    th_up_mm: float
    measures: int


class BandEntry(TypedDict):
    """Errors to expect of one measure (:class:`cmrseg.quality.uncertainty.conformal.ErrorBand`)."""

    share: float
    typical: float
    level: float
    patients: int
    difficulty: NotRequired[float]


class HeldOut(TypedDict):
    """On whom a candidate was judged: the fold it held out, and how many patients."""

    fold: int | None
    patients: int


class QualityEntry(TypedDict):
    """What calibration found for one view.

    Attributes:
        thresholds: by role.
        rehearsal: the file of labelled slices for refinement; None for no refinement.
        fitted_on: on whom, in words.
        candidates: network's file -> whom it was judged on.
        population: role -> ``pDC`` and ``pHD_mm``, sorted.
        bands: role, or ejection fraction, -> structure -> errors to expect.
        dice_bounds: structure -> the Dice to expect.
    """

    thresholds: dict[str, FencesEntry]
    rehearsal: str | None
    fitted_on: str
    candidates: NotRequired[dict[str, HeldOut]]
    population: NotRequired[dict[str, dict[str, list[float]]]]
    bands: NotRequired[dict[str, dict[str, BandEntry]]]
    dice_bounds: NotRequired[dict[str, Mapping[str, Any]]]


RuleStep = Mapping[str, str | float]
"""An anatomical rule: its name, ``rule``, and its parameters."""


class TriedRule(TypedDict):
    """One rule, what is kept of it, and what it brought by score."""

    rule: str
    kept: RuleStep | None
    gain: dict[str, float]


class RulesEntry(TypedDict):
    """The anatomical rules: those that ship, all that were tried, scores without, and the gain."""

    steps: list[RuleStep]
    tried: list[TriedRule]
    without: dict[str, float]
    gain: dict[str, float]
    chosen_on: str


class TrustEntry(TypedDict):
    """What was seen on held-out patients (:class:`cmrseg.quality.uncertainty.trust.Trust`)."""

    fitted_on: str
    bands: dict[str, BandEntry]
    fences: dict[str, float]
    population: dict[str, list[float]]


class ScoresEntry(TypedDict):
    """Scores out of fold: of how many cases, by which command, as a Markdown table."""

    cases: int
    command: str
    table: str


class Manifest(TypedDict):
    """The whole file. ``files``: name -> SHA-256; ``sha256``: of all else that the file says."""

    format: int
    challenge: str
    cmrseg: str
    commit: str
    data: dict[str, DataEntry]
    networks: list[NetworkEntry]
    files: dict[str, str]
    sha256: NotRequired[str]
    quality: NotRequired[dict[str, QualityEntry]]
    rules: NotRequired[RulesEntry]
    trust: NotRequired[TrustEntry]
    scores_out_of_fold: NotRequired[ScoresEntry]
