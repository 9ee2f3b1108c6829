"""How fast synthetic hearts are drawn and written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from cmrseg_lab.studies.bench.spread import Spread
from cmrseg_lab.studies.bench.table import Row
from cmrseg_lab.synthetic.layouts import write_mnms2
from cmrseg_lab.synthetic.patient import draw_patient

SECONDS_A_PATIENT = 0.5
"""The aim: two patients a second and core, short and long axis at both phases."""

PATIENTS = 4
"""Drawn in each round: slices differ from patient to patient."""


def rows(rounds: int) -> Iterator[Row]:
    """CPU seconds a patient takes on one core, and the patients a second that this makes.

    CPU time, not the clock's: other programs on the machine do not stretch it, though they do
    slow a core that they share a cache or a pipeline with. Drawing uses one thread.
    """
    with TemporaryDirectory() as folder:  # noise is made and libraries are read once a process
        write_mnms2(draw_patient("mnms2", 0), "000", Path(folder))
    whole, drawing = [], []
    for number in range(rounds):
        first = 1 + number * PATIENTS
        started = time.process_time()
        patients = [draw_patient("mnms2", seed) for seed in range(first, first + PATIENTS)]
        drawn = time.process_time()
        with TemporaryDirectory() as folder:
            for case, patient in enumerate(patients):
                write_mnms2(patient, f"{case:03d}", Path(folder))
            whole.append((time.process_time() - started) / PATIENTS)
        drawing.append((drawn - started) / PATIENTS)
    taken = Spread.of(whole)
    yield Row(
        recipe="-",
        figure="synthetic patient, SA and LA, ED and ES, CPU seconds",
        value=taken,
        unit="s",
        aim=SECONDS_A_PATIENT,
    )
    yield Row(
        recipe="-", figure="  of these for drawing, not writing", value=Spread.of(drawing), unit="s"
    )
    rate = Spread.of([1 / second for second in taken.values])
    yield Row(recipe="-", figure="  synthetic patients a second and core", value=rate, unit="/s")
