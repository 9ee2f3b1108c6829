"""What makes labelled cases to learn from."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cmrseg.cli import options
from cmrseg.runtime.errors import EXIT_OK


def add_synthesize(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab synthesize`."""
    from cmrseg_lab.synthetic import groups, strengths, styles

    options.add_challenge(p)
    p.add_argument(
        "output", type=Path, help="folder to write the challenge's layout into; no other run's"
    )
    p.add_argument("--patients", type=options.count, required=True, help="how many")
    p.add_argument("--seed", type=int, default=0, help="same seed, same hearts")
    p.add_argument("--group", help=f"disease of all (default: drawn); {_listed(groups.NAMES)}")
    p.add_argument(
        "--style", default="in", help=f"in: drawn, out: held-out ones; {_listed(styles.NAMES)}"
    )
    p.add_argument(
        "--artefact",
        help=f'name=strength 0..1, comma-separated: "ghosting=0.4,noise"; '
        f"{_listed(strengths.NAMES)}",
    )
    p.add_argument("--jobs", type=options.count, help="processes (default: all CPUs)")
    options.add_log_format(p)
    p.set_defaults(run=_run_synthesize)


def _listed(names: Mapping[str, Sequence[str]]) -> str:
    """What each challenge has to choose from."""
    return "; ".join(f"{challenge}: {', '.join(known)}" for challenge, known in names.items())


def _run_synthesize(o: argparse.Namespace) -> int:
    from cmrseg.runtime import Progress, cpu_limit
    from cmrseg_lab.synthetic.synthesize import synthesize

    started, worked = time.perf_counter(), _cpu_s()
    with Progress(o.patients, "patients") as progress:
        synthesize(
            o.challenge,
            o.output,
            patients=o.patients,
            seed=o.seed,
            group=o.group,
            style=o.style,
            artefact=o.artefact,
            jobs=o.jobs,
            progress=lambda done, total: progress.show(done),
        )
    seconds, processes = time.perf_counter() - started, min(o.jobs or cpu_limit(), o.patients)
    rate = o.patients / seconds / processes
    noun = "patient" if o.patients == 1 else "patients"
    # beside other programs the clock tells how busy the machine is, CPU time what a patient takes
    cpu = (_cpu_s() - worked) / o.patients
    print(
        f"{o.patients} {noun} in {seconds:.1f} s: {rate:.2f} a second and process, "
        f"{cpu:.2f} CPU seconds a patient"
    )
    return EXIT_OK


def _cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])
