"""What leads from labelled cases to a bundle."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmrseg.cases.challenge import EMIDEC, SPECS
from cmrseg.cli import options
from cmrseg.runtime.errors import EXIT_OK, UsageError

RECIPES = tuple(name for spec in SPECS.values() for name in spec.grids_mm)
TERMINATED = 143
"""Exit code of a command that SIGTERM stopped."""


def add_prepare(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab prepare`."""
    p.add_argument("recipe", choices=RECIPES, help="whose grid and labels")
    p.add_argument("cache", type=Path, help="folder for the cache; further sources are added")
    p.add_argument(
        "data",
        nargs="+",
        type=options.name_and_path,
        metavar="SOURCE=FOLDER",
        help="a data set's name in manifest and model card, and its folder; NAME-reformatted: cut "
        "4-chamber slices out of short-axis stacks, NAME-implanted: put infarcts on",
    )
    options.add_log_format(p)
    p.set_defaults(run=_run_prepare)


def _run_prepare(o: argparse.Namespace) -> int:
    from cmrseg_lab.training.prepare import prepare_cache

    found = prepare_cache(o.recipe, dict(o.data), o.cache)
    print(f"{len(found)} patients in {o.cache}")
    return EXIT_OK


def add_train(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab train`."""
    p.add_argument(
        "preset",
        help="a shipped training (short_axis, long_axis, emidec, qc_short_axis, ...), your own "
        "file.toml, or with --data a challenge: emidec or mnms2",
    )
    p.add_argument("cache", type=Path, nargs="?", help="made by `cmrseg-lab prepare`")
    p.add_argument(
        "out", metavar="run", type=Path, nargs="?", help="folder for checkpoint, log and scalars"
    )
    whole = p.add_argument_group("a whole bundle from labelled cases, instead of CACHE and RUN")
    whole.add_argument("--data", type=Path, help="prepare, train all folds, pack, calibrate")
    whole.add_argument(
        "--out", dest="bundles", type=Path, default=Path("weights/mine"), help="where it all goes"
    )
    whole.add_argument(
        "--source", help="names the data in manifest and card (default: the organisers' data)"
    )
    whole.add_argument(
        "--folds", type=options.fold_number, nargs="+", help="emidec: 0 1 2 3 4, mnms2: 0"
    )
    whole.add_argument(
        "--size", choices=("compact", "paper"), default="compact", help="paper: a GPU's work"
    )
    _add_rehearse(whole)
    p.add_argument(
        "--fold", type=options.fold_number, default=0, help="the fold held out, or all (none)"
    )
    p.add_argument("--without", help="instead of a fold: the source or vendor that is left out")
    p.add_argument(
        "--start",
        type=Path,
        metavar="BUNDLE",
        help="begin with a bundle's network (CACHE and RUN: the recipe's first, trained as the "
        "preset says; --data: each of them, an eighth of the steps at a fifth of the rate)",
    )
    p.add_argument("--seed", type=int, default=0, help="everything random follows from it")
    p.add_argument("--steps", type=options.count, help="default: the preset's")
    p.add_argument("--workers", type=options.whole, default=1, help="processes that augment")
    options.add_device(p)
    options.add_log_format(p)
    p.set_defaults(run=_run_train)


def _run_train(o: argparse.Namespace) -> int:
    from cmrseg_lab.training.loop import TrainingStoppedError

    changed = {"steps": o.steps} if o.steps else {}
    try:
        if o.data:
            _train_whole(o, changed)
        else:
            _train_one(o, changed)
    except TrainingStoppedError as stopped:
        print(f"cmrseg: {stopped}", file=sys.stderr)
        return TERMINATED
    return EXIT_OK


def _train_one(o: argparse.Namespace, changed: Mapping[str, Any]) -> None:
    """One network from a cache."""
    from cmrseg_lab.training import preset
    from cmrseg_lab.training.start import first
    from cmrseg_lab.training.train import train

    wanted = preset.read_preset(o.preset, **changed)
    if not o.out:
        raise UsageError(
            "CACHE and RUN are missing: which cache to learn from and where to keep the run",
            "Give both, or a challenge and --data FOLDER",
        )
    train(
        wanted,
        o.cache,
        o.out,
        fold=o.fold,
        without=o.without,
        seed=o.seed,
        device=o.device,
        workers=o.workers,
        start=first(o.start, wanted) if o.start else None,
    )


def _train_whole(o: argparse.Namespace, changed: Mapping[str, Any]) -> None:
    """Everything from labelled cases to a bundle."""
    from cmrseg_lab.studies.provenance import commit_of_code
    from cmrseg_lab.training.pipeline import Course, train_whole

    if o.preset == EMIDEC.name and o.rehearse:
        raise UsageError("--rehearse: emidec is not refined", "Leave --rehearse out")
    if o.start and not o.source:
        raise UsageError("--start: the cases have no name", "Give one by --source NAME")
    if o.preset not in options.CHALLENGES or o.cache:
        raise UsageError(
            "--data trains a challenge's whole bundle: CACHE and RUN do not go with it",
            f"Give {' or '.join(options.CHALLENGES)} and --data FOLDER alone",
        )
    train_whole(
        Course(
            challenge=o.preset,
            data=o.data,
            out=o.bundles,
            source=o.source,
            folds=o.folds,
            size=o.size,
            changed=changed,
            seed=o.seed,
            device=o.device,
            workers=o.workers,
            commit=commit_of_code(),
            rehearse=o.rehearse or "synthetic",
            start=o.start,
        )
    )


def add_pack(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab pack`."""
    options.add_challenge(p)
    p.add_argument("bundle", type=Path, help="folder to write (an older bundle is replaced)")
    p.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        help="checkpoint.safetensors of each run, or a network's file in another bundle",
    )
    p.add_argument(
        "--keep", type=Path, help="a bundle whose networks of other recipes are taken over"
    )
    p.add_argument(
        "--beside",
        action="store_true",
        help="its networks of the same recipe stay too, as further candidates",
    )
    p.add_argument(
        "--fallback",
        action="store_true",
        help="emidec: the new networks answer where the bundle's others are out of distribution",
    )
    p.add_argument("--commit", default="unknown", help="the commit the bundle is packed at")
    p.set_defaults(run=_run_pack)


def _run_pack(o: argparse.Namespace) -> int:
    from cmrseg_lab.training.pack import pack

    if o.fallback and o.challenge != "emidec":
        raise UsageError("--fallback: only emidec's networks have one", "Leave it out")
    out = pack(
        o.challenge,
        o.checkpoints,
        o.bundle,
        commit=o.commit,
        keep=o.keep,
        beside=o.beside,
        fallback=o.fallback,
    )
    print(f"packed {out}")
    return EXIT_OK


def add_calibrate(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab calibrate`."""
    p.add_argument("network", choices=RECIPES, help="emidec's rules, or which view's thresholds")
    p.add_argument(
        "data",
        type=Path,
        help="what its networks learned from: emidec's labelled cases, a view's cache",
    )
    options.add_weights(p)
    p.add_argument("--mirrors", type=int, choices=(1, 2, 4), default=4, help="mirror images")
    _add_rehearse(p)
    p.add_argument(
        "--source", default=EMIDEC.name, help="emidec: the name the data has in the bundle"
    )
    p.add_argument(
        "--work",
        type=Path,
        help="emidec: OUT/work of cmrseg-lab reproduce, passes are shared if made with the same "
        "--mirrors, --samples and --precision",
    )
    p.add_argument(
        "--samples",
        type=options.samples,
        help="emidec: dropout passes of a patient, two or more for fences (with --work 20, else 6)",
    )
    p.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16"),
        help="emidec (default: auto)",
    )
    options.add_device(p)
    options.add_log_format(p)
    p.set_defaults(run=_run_calibrate)


def _add_rehearse(p: argparse._ActionsContainer) -> None:
    """Whose slices a bundle carries."""
    p.add_argument(
        "--rehearse",
        choices=("synthetic", "learned", "none"),
        help="mnms2: labelled slices that refinement needs and that TRAVEL IN THE BUNDLE: of the "
        "cache's synthetic hearts (default), of patients that the networks learned from, or none",
    )


def _run_calibrate(o: argparse.Namespace) -> int:
    if o.network in EMIDEC.grids_mm:
        from cmrseg_lab.training.calibration import emidec
        from cmrseg_lab.training.calibration.emidec_out_of_fold import RunSettings

        samples = o.samples if o.samples is not None else 20 if o.work else 6
        effort = RunSettings(
            mirrors=o.mirrors, samples=samples, device=o.device, precision=o.precision
        )
        print(
            emidec.calibrate_emidec(o.data, o.weights, source=o.source, work=o.work, effort=effort)
        )
        return EXIT_OK
    from cmrseg_lab.training.calibration.mnms2 import Rehearse, calibrate_mnms2, without_refinement

    rehearse: Rehearse = o.rehearse or "synthetic"
    print(
        calibrate_mnms2(
            o.network, o.data, o.weights, mirrors=o.mirrors, device=o.device, rehearse=rehearse
        )
    )
    if rehearse != "none" and (told := without_refinement(o.weights)):
        print(told)
    return EXIT_OK


def add_export_onnx(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab export-onnx`."""
    options.add_challenge(p)
    p.add_argument("out", type=Path, help="folder for networks, networks.json and README.md")
    options.add_weights(p)
    p.set_defaults(run=_run_export_onnx)


def _run_export_onnx(o: argparse.Namespace) -> int:
    from cmrseg.models import bundle
    from cmrseg_lab.training.export_onnx import export_onnx

    for told in export_onnx(bundle.find(o.challenge, o.weights), o.out):
        checked = ", ".join(f"{key} {value:.3g}" for key, value in told["checked"].items())
        print(f"{told['file']}: {checked}")
    return EXIT_OK
