"""Many patients on disk, in parallel; the same seed gives the same files whatever the jobs.

A folder of them records what they were drawn with, so that no two runs mix in one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from cmrseg.cases.case import Case
from cmrseg.cases.challenge import MNMS2, Challenge
from cmrseg.cases.detect import open_contract
from cmrseg.runtime.errors import InputError, OutputError, UsageError
from cmrseg_lab.synthetic import layouts
from cmrseg_lab.synthetic.patient import check_request, draw_patient

GENERATION = 4
"""Raised whenever the same seed gives another patient than before."""

FILE = "synthetic.json"
"""Beside the cases. Runs of the first generation left none."""

CASES = ("dataset", "emidec-dataset-1.0.1")
"""Where the layouts keep cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisRun:
    """Everything the files of a run depend on.

    Attributes:
        challenge: ``emidec`` or ``mnms2``.
        patients: how many; more of them leave the first ones as they are.
        seed: of the run.
        group: disease of all patients, None if drawn.
        style: as asked for.
        artefact: as asked for.
        generation: of the generator.
    """

    challenge: str
    patients: int
    seed: int
    group: str | None
    style: str
    artefact: str | None
    generation: int = GENERATION


def claim(run: SynthesisRun, output_dir: Path) -> None:
    """Write the run's record into its folder, before its first case.

    A folder may be claimed again by the same run, for as many patients or more.

    Raises:
        UsageError: the folder holds other cases, or more of these.
        OutputError: the record cannot be written.
    """
    remedy = "choose an empty folder, or delete what is in there"
    try:
        record = json.loads((output_dir / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if any(any(output_dir.glob(f"{folder}/*")) for folder in CASES):
            raise UsageError("the output folder holds cases of another origin", remedy) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{FILE} in the output folder cannot be read", remedy) from error
    else:
        _check(record, asdict(run), remedy)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        (output_dir / FILE).write_text(json.dumps(asdict(run), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"the record of the synthetic patients cannot be written ({error.strerror})",
            "check that the output folder may be written to and has space left",
        ) from error


def _check(there: object, asked: dict[str, object], remedy: str) -> None:
    """Refuse what differs; ``there`` is whatever JSON the file held."""
    known = there if isinstance(there, dict) else {}
    for name, value in asked.items():
        if name != "patients" and known.get(name) != value:
            raise UsageError(
                "the output folder holds synthetic patients of another run: "
                f"{name} {known.get(name)} there, {value} asked for",
                remedy,
            )
    held = known.get("patients")
    if not isinstance(held, int) or held > int(str(asked["patients"])):
        raise UsageError(
            f"the output folder holds {held} patients of this run, {asked['patients']} asked for",
            f"ask for {held} or more, or {remedy}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One patient to make: everything a worker process needs."""

    challenge: str
    output_dir: Path
    number: int
    seed: int
    group: str | None
    style: str
    artefact: str | None


def synthesize(
    challenge: str,
    output_dir: Path,
    *,
    patients: int,
    seed: int = 0,
    group: str | None = None,
    style: str = "in",
    artefact: str | None = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write labelled synthetic patients in a challenge's folder layout.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        output_dir: made if missing.
        patients: how many.
        seed: patient ``i`` depends on this and ``i`` alone, not on ``jobs`` or ``patients``.
        group: disease of all patients; drawn if None.
        style: ``in``, ``out`` or the name of a style.
        artefact: ``name``, ``name=strength`` or several with commas between.
        jobs: worker processes; all usable cores if None. They are spawned: a script that asks for
            more than one needs an ``if __name__ == "__main__"`` guard.
        progress: called with (done, all) after each patient.

    Raises:
        UsageError: no such challenge, group, style, artefact or seed; fewer than one patient; a
            folder that holds cases of another run.
        OutputError: the folder cannot be written.
    """
    if patients < 1:
        raise UsageError(f"{patients} patients cannot be made", "ask for one or more")
    check_request(challenge, seed, group=group, style=style, artefact=artefact)
    claim(
        SynthesisRun(
            challenge=challenge,
            patients=patients,
            seed=seed,
            group=group,
            style=style,
            artefact=artefact,
        ),
        output_dir,
    )
    orders = [
        Order(
            challenge=challenge,
            output_dir=output_dir,
            number=i,
            seed=seed,
            group=group,
            style=style,
            artefact=artefact,
        )
        for i in range(1, patients + 1)
    ]
    rows = []
    for done, row in enumerate(_made(orders, jobs), start=1):
        rows.append(row)
        if progress:
            progress(done, patients)
    if challenge == MNMS2.name:
        layouts.write_mnms2_table(rows, output_dir)


def patient_seed(seed: int, number: int) -> int:
    """The seed of patient ``number`` in a run: far from those of its neighbours."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])


def _made(orders: list[Order], jobs: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    jobs = min(jobs or len(os.sched_getaffinity(0)), len(orders))
    if jobs == 1:
        yield from map(_make, orders)
        return
    # fresh processes: forking one that runs torch's threads may hang
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield from pool.map(_make, orders)


def _make(order: Order) -> tuple[str, dict[str, Any]]:
    patient = draw_patient(
        order.challenge,
        patient_seed(order.seed, order.number),
        group=order.group,
        style=order.style,
        artefact=order.artefact,
    )
    if order.challenge == MNMS2.name:
        case_id = f"{order.number:03d}"
        layouts.write_mnms2(patient, case_id, order.output_dir)
    else:
        case_id = f"Case_{patient.facts['group'][0]}{order.number:03d}"
        layouts.write_emidec(patient, case_id, order.output_dir)
    return case_id, dict(patient.facts)


CHECKOUT = Path(__file__).resolve().parents[3] / "tests" / "samples"
"""The committed sample cases."""
SEED = 1


def sample_case(challenge: Challenge, samples: Path | None, scratch: Path) -> Case:
    """The first sample case of a challenge; a synthetic one where there are none.

    Args:
        challenge: whose.
        samples: holds ``emidec/`` and ``mnms2/``; None for the checkout's samples.
        scratch: an empty folder to work in.

    Raises:
        InputError: ``samples`` holds no such case.
    """
    source = (samples or CHECKOUT) / challenge
    if samples is None and not source.is_dir():
        source = scratch / "synthetic"
        synthesize(challenge, source, patients=1, seed=SEED, jobs=1)
    case = next(iter(open_contract(challenge, source, scratch / "none").cases()), None)
    if case is None:
        raise InputError(f"there is no sample case of {challenge}", "give --samples their folder")
    return case
