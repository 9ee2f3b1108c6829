"""Many patients on disk, in parallel; the same seed gives the same files whatever the jobs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from cmrseg.cases.challenge import MNMS2
from cmrseg.runtime.errors import UsageError
from cmrseg_lab.synthetic import layouts
from cmrseg_lab.synthetic.patient import check_request, draw_patient
from cmrseg_lab.synthetic.record import SynthesisRun, claim


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
