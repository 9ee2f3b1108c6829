"""What is measured, in which order, and the aim each figure has.

Commands in fresh processes come first; torch is loaded into this one only afterwards.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cmrseg.cases.case import Case
from cmrseg.cases.challenge import EMIDEC, MNMS2, SPECS, Challenge
from cmrseg.cases.detect import open_contract
from cmrseg_lab.studies.bench import process
from cmrseg_lab.studies.bench.samples import SIZES, copies
from cmrseg_lab.studies.bench.table import BenchRow, Spread
from cmrseg_lab.synthetic.synthesize import sample_case

if TYPE_CHECKING:
    from cmrseg.models.bundle import Bundle
    from cmrseg_lab.studies.bench.ceiling import Race
    from cmrseg_lab.studies.bench.walk import Walk

HELP_S, FIRST_MASK_S, PEAK_MB, OUTSIDE_PERCENT, QUALITY_PERCENT = 0.3, 6.0, 1500.0, 40.0, 15.0
GROWTH_MB = 100.0
TRIMMED = 3
"""Pixels that an image is narrower than the one before it, where sizes differ."""
CASE_S: dict[str, dict[Challenge, float]] = {
    "cpu": {EMIDEC.name: 10.0, MNMS2.name: 6.0},
    "cuda": {EMIDEC.name: 1.0},
}
"""The aims; a case's on two cores, and on a data-centre GPU: EMIDEC's for five folds with mirror
images and samples, M&Ms-2's for four images, three candidates and quality control."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One challenge's measurements.

    Attributes:
        challenge: whose recipe.
        weights: its bundle.
        case: the sample case.
        scratch: an empty folder to work in.
        device: as for ``cmrseg predict``.
        rounds: how often each thing is measured.
        cases: how many copies of the case go into the long run.
        say: takes a line when a measurement starts.
    """

    challenge: Challenge
    weights: Bundle
    case: Case
    scratch: Path
    device: str
    rounds: int
    cases: int
    say: Say

    @classmethod
    def of(
        cls,
        challenge: Challenge,
        *,
        samples: Path | None,
        weights: Path | None,
        scratch: Path,
        device: str = "auto",
        rounds: int = 5,
        cases: int = 20,
        say: Say = print,
    ) -> Plan:
        """Find the weights and a sample case.

        Raises:
            CmrsegError: one of them is not there.
        """
        from cmrseg.models.bundle import find

        return cls(
            challenge=challenge,
            weights=find(challenge, weights),
            case=sample_case(challenge, samples, scratch),
            scratch=scratch,
            device=device,
            rounds=rounds,
            cases=cases,
            say=say,
        )

    def processes(self) -> Iterator[BenchRow]:
        """Cold start, peak memory, and many cases in one run."""
        self.say(f"{self.challenge}: fresh processes, {self.rounds} rounds")
        one = copies(self.challenge, self.case, 1, self.scratch / "one")
        self._predict(process.cmrseg(), one, self.scratch / "cold")  # fills the disk's cache
        torch_only, cold = [], []
        for number in range(self.rounds):
            torch_only.append(process.timed_process([sys.executable, "-c", "import torch"]).seconds)
            cold.append(self._predict(process.cmrseg(), one, self.scratch / f"cold-{number}"))
        first = Spread.of([ran.first_file_s or ran.seconds for ran in cold])
        yield self._row("cold process to first mask", first, "s", FIRST_MASK_S)
        per = first.per(Spread.of(torch_only))
        yield self._row("cold process to first mask, per bare import of torch", per, "x")
        peak = Spread.of([ran.peak_mb for ran in cold])
        yield self._row("peak memory of one case", peak, "MB", PEAK_MB)
        yield from self._many(Spread.of([ran.seconds for ran in cold]))
        self.say(f"{self.challenge}: {self.cases} cases of {SIZES} sizes in one run")
        folder = copies(
            self.challenge, self.case, self.cases, self.scratch / "sizes", trimmed=TRIMMED
        )
        sizes = self._predict(process.cmrseg(), folder, self.scratch / "sizes-out")
        growth = Spread.of([sizes.peak_mb - peak.median])
        figure = f"memory that {self.cases} cases of different sizes take beyond one"
        yield self._row(figure, growth, "MB", GROWTH_MB)

    def _many(self, alone: Spread) -> Iterator[BenchRow]:
        """One long run against a run of one case, both from process start to end."""
        self.say(f"{self.challenge}: {self.cases} cases in one run")
        folder = copies(self.challenge, self.case, self.cases, self.scratch / "many")
        ran = self._predict(process.cmrseg(), folder, self.scratch / "many-out")
        each = Spread.of([ran.seconds / self.cases])
        yield self._row("one case in a run of its own", alone, "s")
        yield self._row(f"one of {self.cases} cases in one run", each, "s")
        share = each.times(1 / alone.median)
        yield self._row(f"one of {self.cases} cases, per case in a run of its own", share, "x", 1.0)

    def _predict(self, command: Sequence[str], source: Path, out: Path) -> process.Ran:
        contract = open_contract(self.challenge, source, out)
        case = next(iter(contract.cases()))
        mask = contract.mask_path(case, next(iter(case.images)))
        options = ("--weights", str(self.weights.folder), "--device", self.device)
        arguments = ("predict", self.challenge, str(source), str(out), *options)
        return process.timed_process([*command, *arguments], out / mask)

    def inside(self) -> Iterator[BenchRow]:
        """The network against the machine's ceiling, and where a case's time goes."""
        yield from self._networks()
        if self.challenge == EMIDEC.name:
            yield from self._doubt()
            yield from self._training()
        self.say(f"{self.challenge}: a case step by step, {self.rounds} rounds")
        yield from self._walks()
        if self.challenge == MNMS2.name:
            from cmrseg_lab.studies.bench import refinement

            yield from refinement.refinement_rows(
                self.weights, self.case, self.device, self.rounds, self.say
            )

    def _networks(self) -> Iterator[BenchRow]:
        from cmrseg.models.ensemble import Segmenter
        from cmrseg.recipes.steps import prepared_image
        from cmrseg.runtime import use_device
        from cmrseg_lab.studies.bench.ceiling import race
        from cmrseg_lab.training.prepare import RECIPES

        views = {role[:2]: source for role, source in self.case.images.items()}
        for view, source in views.items():
            names = list(SPECS[self.challenge].grids_mm)
            recipe = names[0] if len(names) == 1 else f"{self.challenge}-{view.lower()}"
            segmenter = Segmenter.from_bundle(self.weights, recipe, use_device(self.device))
            if not segmenter.networks:
                self.say(f"{recipe}: no network in the bundle, not measured")
                continue
            self.say(f"{recipe}: network against matrix product, {self.rounds} rounds")
            grid = RECIPES[recipe].grid
            image = prepared_image(source, grid, segmenter.preparation)[1].image
            for one in race(segmenter, image, self.rounds):
                yield from _race_rows(recipe, one)

    def _doubt(self) -> Iterator[BenchRow]:
        from cmrseg.models.ensemble import Segmenter
        from cmrseg.recipes.steps import prepared_image
        from cmrseg.runtime import use_device
        from cmrseg_lab.studies.bench import doubt
        from cmrseg_lab.training.prepare import RECIPES

        self.say(f"emidec: mirror images and dropout samples, {self.rounds} rounds")
        segmenter = Segmenter.from_bundle(self.weights, EMIDEC.name, use_device(self.device))
        grid = RECIPES[EMIDEC.name].grid
        image = prepared_image(self.case.images["LGE"], grid, segmenter.preparation)[1].image
        yield from doubt.sampling_rows(segmenter, image, self.rounds)

    def _training(self) -> Iterator[BenchRow]:
        from cmrseg.runtime import use_device
        from cmrseg_lab.studies.bench import passes

        self.say(f"emidec: a training step of several passes, {self.rounds} rounds")
        yield from passes.training_rows(use_device(self.device), self.rounds)

    def _walks(self) -> Iterator[BenchRow]:
        from cmrseg.run.predict import model
        from cmrseg.runtime import use_device
        from cmrseg_lab.studies.bench.walk import STEPS, shares, walk

        source = copies(self.challenge, self.case, 1, self.scratch / "one")
        contract = open_contract(self.challenge, source, self.scratch / "walk")
        segment = model(self.challenge, self.weights, device=self.device).segment
        walks: list[Walk] = walk(contract, segment, self.rounds)
        outside = Spread.of([100 * w.outside for w in walks])
        whole = Spread.of([w.total_s for w in walks])
        aim = CASE_S[use_device(self.device).type].get(self.challenge)
        yield self._row("a case, warm", whole, "s", aim)
        yield self._row("not the network", outside, "%", OUTSIDE_PERCENT)
        by_step = shares(walks)
        for step in STEPS:
            if step == "quality" and not any(w.seconds[step] for w in walks):
                continue  # the bundle has no quality control
            step_aim = QUALITY_PERCENT if step == "quality" else None
            yield self._row(f"  {step}", by_step[step].times(100), "%", step_aim)

    def _row(self, figure: str, value: Spread, unit: str, aim: float | None = None) -> BenchRow:
        return BenchRow(recipe=self.challenge, figure=figure, value=value, unit=unit, aim=aim)


def help_rows(rounds: int) -> Iterator[BenchRow]:
    """``cmrseg --help`` and how much of it is Python's own start."""
    bare, told = [], []
    for number in range(rounds + 1):
        pair = (
            process.timed_process([sys.executable, "-c", ""]),
            process.timed_process(process.cmrseg("--help")),
        )
        if number:
            bare.append(pair[0].seconds)
            told.append(pair[1].seconds)
    seconds = Spread.of(told)
    yield BenchRow(recipe="-", figure="cmrseg --help", value=seconds, unit="s", aim=HELP_S)
    ratio = seconds.per(Spread.of(bare))
    yield BenchRow(
        recipe="-", figure="cmrseg --help, per bare start of Python", value=ratio, unit="x"
    )


def _race_rows(recipe: str, race: Race) -> Iterator[BenchRow]:
    precision = f"{race.precision}{' (used)' if race.chosen else ''}"
    gflop = f"{race.flops / 1e9:.1f} GFLOP"
    yield BenchRow(
        recipe=recipe, figure=f"{gflop} pass, {precision}", value=race.network_s, unit="s"
    )
    yield BenchRow(
        recipe=recipe,
        figure=f"  as a matrix product, {race.precision}",
        value=race.ceiling_s,
        unit="s",
    )
    yield BenchRow(
        recipe=recipe, figure=f"  pass per product, {precision}", value=race.ratio, unit="x"
    )
