"""A bundle measured out of fold: its patients' rows, and those rows under honest rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cmrseg.cases.challenge import EMIDEC
from cmrseg.evaluation.emidec import STRUCTURES
from cmrseg.models import bundle
from cmrseg.models.bundle import Bundle
from cmrseg_lab.studies.emidec_paper.reliability import Reliability
from cmrseg_lab.studies.emidec_paper.scores import Row, Scored, ruled, score
from cmrseg_lab.studies.emidec_paper.trusted import trusted_rows
from cmrseg_lab.training.calibration.emidec import FEWEST, gather, measured
from cmrseg_lab.training.calibration.emidec_out_of_fold import Held, RunSettings, predict_held_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One bundle's results.

    Attributes:
        name: ``proposed`` or ``baseline``.
        found: the bundle.
        scored: patient -> result.
        rules: patient -> the official metrics under rules that other parts chose; empty if they
            were not asked for, or patients are too few to choose by.
        trusted: patient -> what intervals and fences fitted on the other parts say of it; empty
            where ``rules`` is.
    """

    name: str
    found: Bundle
    scored: dict[str, Scored]
    rules: dict[str, Row]
    trusted: dict[str, Row] = field(default_factory=dict)

    @classmethod
    def measured(
        cls,
        name: str,
        weights: Path | None,
        data: Path,
        work: Path,
        *,
        source: str,
        effort: RunSettings,
        with_rules: bool = False,
    ) -> Method:
        """Measure a bundle on the patients that its networks held out.

        Args:
            name: how it is called in tables.
            weights: the bundle; None for the usual places.
            data: the labelled data it learned from.
            work: where passes are kept.
            source: the name the data was preprocessed under.
            effort: how to compute.
            with_rules: choose rules, and score each part by those that the others chose.

        Raises:
            InputError: nobody was held out, or the data are others.
        """
        found = bundle.find(EMIDEC.name, weights)

        def held() -> Iterator[Held]:
            return predict_held_out(found, data, work, source=source, effort=effort)

        scored = {one.patient: score(one) for one in held()}
        rules: dict[str, Row] = {}
        trusted: dict[str, Row] = {}
        if with_rules and len(scored) >= FEWEST:
            chooser, agreed = gather(held())
            by_part = chooser.honest()
            chosen = dict(zip(scored, (by_part[part] for part in chooser.parts), strict=True))
            rules = {one.patient: ruled(one, chosen[one.patient]) for one in held()}
            rows = trusted_rows(*measured(chooser, by_part), agreed, chooser.parts)
            trusted = dict(zip(scored, rows, strict=True))
        return cls(name=name, found=found, scored=scored, rules=rules, trusted=trusted)

    @property
    def rows(self) -> dict[str, Row]:
        """Patient -> metrics."""
        return {patient: one.row for patient, one in self.scored.items()}

    @property
    def folds(self) -> list[int]:
        """The folds that were scored."""
        return sorted({one.fold for one in self.scored.values()})

    def among(self, patients: set[str]) -> dict[str, Row]:
        """Rows of some patients."""
        return {patient: row for patient, row in self.rows.items() if patient in patients}

    def reliability(self, patients: set[str]) -> dict[str, Reliability]:
        """Structure -> reliability over some patients.

        Raises:
            ValueError: there is none of them.
        """
        parts = [one.reliability for name, one in self.scored.items() if name in patients]
        if not parts:
            raise ValueError("reliability of nobody")
        total = dict(parts[0])
        for part in parts[1:]:
            total = {name: total[name] + part[name] for name in STRUCTURES}
        return total

    def about(self) -> str:
        """The bundle in a line: digest, commit, and how its networks were trained."""
        manifest = self.found.manifest
        folds = ", ".join(map(str, self.folds))
        trained = {
            f"N = {t['samples']}, alpha = {t['alpha']:g} for {t['steps_done']} steps"
            for t in (network["training"] for network in self.found.of("emidec"))
            if "samples" in t
        }
        return (
            f"{self.name}: bundle {self.found.digest[:12]} packed at {manifest['commit'][:12]}, "
            f"{' and '.join(sorted(trained))}, folds {folds}, {len(self.scored)} patients"
        )
