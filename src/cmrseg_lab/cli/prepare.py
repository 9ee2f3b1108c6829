"""What makes labelled cases to learn from, and makes them ready."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cmrseg.cli import options
from cmrseg.runtime.errors import EXIT_OK, UsageError
from cmrseg_lab.cli.train import NETWORKS


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


def add_preprocess(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab preprocess`."""
    p.add_argument("network", choices=NETWORKS, help="whose grid and labels")
    p.add_argument("data", type=Path, help="labelled cases in the challenge's layout")
    p.add_argument("cache", type=Path, help="folder for the cache; further sources are added")
    p.add_argument("--source", required=True, help="names the data set in manifest and model card")
    p.add_argument(
        "--reformat",
        action="store_true",
        help="mnms2-la: cut 4-chamber slices out of labelled short-axis stacks",
    )
    p.add_argument(
        "--implant",
        action="store_true",
        help="emidec: put infarcts onto late enhancement, or onto short-axis cine",
    )
    options.add_log_format(p)
    p.set_defaults(run=_run_preprocess)


def _run_preprocess(o: argparse.Namespace) -> int:
    from cmrseg_lab.training.preprocess import preprocess
    from cmrseg_lab.training.presets import RECIPES

    chosen = RECIPES[o.network]
    for option, network, make in (
        ("reformat", "mnms2-la", "reformatted"),
        ("implant", "emidec", "implanted"),
    ):
        if not getattr(o, option):
            continue
        if o.network != network:
            raise UsageError(f"--{option} makes images for {network}", f"use it with {network}")
        from cmrseg_lab.training import derived_pairs

        items, remake = getattr(derived_pairs, make)(o.data)
        preprocess(o.network, items, chosen.grid, o.cache, source=o.source, remake=remake)
        return EXIT_OK
    preprocess(o.network, chosen.items(o.data), chosen.grid, o.cache, source=o.source)
    return EXIT_OK
