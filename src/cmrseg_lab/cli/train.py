"""What leads from labelled cases to a bundle."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from cmrseg.cli import options
from cmrseg.runtime.errors import EXIT_OK, UsageError

NETWORKS = ("emidec", "mnms2-sa", "mnms2-la")
AUTOENCODERS = ("mnms2-sa-qc", "mnms2-la-qc")


def add_train(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab train`."""
    p.add_argument(
        "network", choices=(*NETWORKS, "mnms2"), help="what to train (mnms2: both, with --data)"
    )
    p.add_argument("cache", type=Path, nargs="?", help="made by `cmrseg-lab preprocess`")
    p.add_argument(
        "run_dir",
        metavar="run",
        type=Path,
        nargs="?",
        help="folder for checkpoint, log and TensorBoard scalars",
    )
    whole = p.add_argument_group("a whole bundle from labelled cases, instead of CACHE and RUN")
    whole.add_argument("--data", type=Path, help="preprocess, train all folds, pack, calibrate")
    whole.add_argument("--out", type=Path, default=Path("weights/mine"), help="where it all goes")
    whole.add_argument(
        "--source", help="names the data in manifest and card (default: the organisers' data)"
    )
    whole.add_argument("--folds", type=options.fold, nargs="+", help="emidec: 0 1 2 3 4, mnms2: 0")
    _add_rehearse(whole)
    p.add_argument(
        "--config",
        help="compact or paper; mnms2 also bn1, bn2, bn2-compact, its short axis stack "
        "(default: compact; paper with --data)",
    )
    p.add_argument("--fold", type=options.fold, default=0, help="the fold held out, or all (none)")
    p.add_argument(
        "--seed", type=int, help="default: the configuration's; with --start the one after its own"
    )
    p.add_argument("--steps", type=options.count, help="default: the configuration's")
    p.add_argument(
        "--keep",
        type=options.whole,
        help="best snapshots to keep, chosen by patients of the fold after; 0 sets nobody aside",
    )
    p.add_argument("--workers", type=options.whole, default=1, help="processes that augment")
    p.add_argument(
        "--start", type=Path, help="checkpoint whose weights to start from, with a new schedule"
    )
    p.add_argument("--learning-rate", type=float, help="default: the configuration's")
    p.add_argument("--samples", type=options.count, help="dropout passes a step; 1 is the baseline")
    p.add_argument("--alpha", type=options.weight, help="weight of their uncertainty in the loss")
    p.add_argument(
        "--dice",
        choices=("soft", "generalised"),
        help="generalised as in galati2021 (default: the configuration's)",
    )
    p.add_argument(
        "--averaged",
        type=options.share,
        metavar="SHARE",
        help="of the steps, the last ones: the mean of their weights is what the run leaves",
    )
    p.add_argument(
        "--grey",
        type=_groups,
        metavar="GROUP,...",
        help="grey-scale augmentation in groups: those named as strong as for many scanners, the "
        "others as usual at one; or none (default: the configuration's)",
    )
    p.add_argument("--resume", action="store_true", help="go on from the checkpoint in RUN")
    p.add_argument(
        "--precision", choices=("fp32", "bf16", "fp16"), help="default: the device's usual one"
    )
    options.add_device(p)
    options.add_log_format(p)
    p.set_defaults(run=_run_train)


def _groups(text: str) -> tuple[str, ...]:
    """Groups of grey-scale augmentation, or ``none``."""
    from cmrseg_lab.training.config import GREY_GROUPS

    names = () if text == "none" else tuple(text.split(","))
    if unknown := [name for name in names if name not in GREY_GROUPS]:
        raise argparse.ArgumentTypeError(
            f"no group {', '.join(unknown)}: there are {', '.join(GREY_GROUPS)}, or none"
        )
    return names


def _run_train(o: argparse.Namespace) -> int:
    from cmrseg_lab.training.distributed import EndedTogetherError
    from cmrseg_lab.training.loop import TrainingStoppedError

    names = ("device", "learning_rate", "samples", "alpha", "averaged", "workers", "steps", "seed")
    settings = {name: getattr(o, name) for name in (*names, "dice", "keep", "precision")}
    try:
        if o.data:
            _train_whole(o, settings)
        else:
            _train_one(o, settings)
    except TrainingStoppedError as stopped:
        print(f"cmrseg: {stopped}", file=sys.stderr)
        return 143
    except EndedTogetherError as ended:  # the last line is for the process that it began with
        return ended.exit_code
    return EXIT_OK


def _train_one(o: argparse.Namespace, settings: dict[str, Any]) -> None:
    """One network from a cache."""
    from cmrseg_lab.training.presets import RECIPES
    from cmrseg_lab.training.train import train

    if o.network not in RECIPES or not o.run_dir:
        raise UsageError(
            "which cache to learn from and where to keep the run is missing",
            f"give {' or '.join(NETWORKS)}, CACHE and RUN, or a challenge and --data FOLDER",
        )
    configurations, name = RECIPES[o.network].training, o.config or "compact"
    if name not in configurations:
        raise UsageError(
            f"{o.network} has no configuration {name}", f"use {' or '.join(configurations)}"
        )
    config = configurations[name]
    if o.grey is not None:
        if config.augmentation == "nnunet":
            raise UsageError(
                f"{name} augments as nnU-Net does, which has no groups", "leave --grey out"
            )
        config = replace(config, grey=o.grey)
    train(
        config,
        o.cache,
        o.run_dir,
        fold=o.fold,
        resume=o.resume,
        start=o.start,
        configuration=name,
        **settings,
    )


def _train_whole(o: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Everything from labelled cases to a bundle."""
    from cmrseg_lab.studies.provenance import commit_of_code
    from cmrseg_lab.training.distributed import alone
    from cmrseg_lab.training.pipeline import Course, train_whole

    alone("training a whole bundle")
    if o.network != "mnms2" and o.rehearse:
        raise UsageError(f"{o.network} is not refined", "leave --rehearse out")
    if o.network not in options.CHALLENGES or o.cache or o.start or o.grey is not None:
        raise UsageError(
            "--data trains a challenge's whole bundle: CACHE, RUN, --start and --grey do not go "
            "with it",
            f"give {' or '.join(options.CHALLENGES)} and --data FOLDER alone",
        )
    train_whole(
        Course(
            challenge=o.network,
            data=o.data,
            out=o.out,
            source=o.source,
            folds=o.folds,
            config=o.config or "paper",
            settings=settings,
            commit=commit_of_code(),
            rehearse=o.rehearse or "synthetic",
        )
    )


def add_train_qc(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab train-qc`."""
    p.add_argument("network", choices=AUTOENCODERS, help="what to train")
    p.add_argument("cache", type=Path, help="the one the view's segmenter learns from")
    p.add_argument("run_dir", metavar="run", type=Path, help="folder for checkpoint and log")
    p.add_argument(
        "--config", choices=("compact", "paper", "paper-denoising"), default="compact",
        help="paper: its network and training; paper-denoising: its network, trained as compact is",
    )  # fmt: skip
    p.add_argument("--fold", type=options.fold, default=0, help="the fold held out, or all (none)")
    p.add_argument("--seed", type=int, help="default: the configuration's")
    p.add_argument("--steps", type=options.count, help="default: the configuration's")
    p.add_argument("--learning-rate", type=float, help="default: the configuration's")
    p.add_argument("--slices", type=options.count, help="seen at once, odd (the configuration's)")
    p.add_argument(
        "--corrupted", type=options.share, help="of the masks, given with errors (0: none are)"
    )
    p.add_argument(
        "--blunders", type=options.share, help="of the masks, given with an inner slice empty or a "
        "stray piece, whatever else they have"
    )  # fmt: skip
    p.add_argument(
        "--start", type=Path, help="checkpoint whose weights to start from, with a new schedule"
    )
    p.add_argument("--resume", action="store_true", help="go on from the checkpoint in RUN")
    options.add_device(p)
    p.set_defaults(run=_run_train_qc)


def _run_train_qc(o: argparse.Namespace) -> int:
    from cmrseg_lab.training.autoencoder import train_autoencoder
    from cmrseg_lab.training.autoencoder_config import configurations
    from cmrseg_lab.training.distributed import alone
    from cmrseg_lab.training.loop import TrainingStoppedError

    alone("training an autoencoder")
    try:
        train_autoencoder(
            configurations(o.network)[o.config],
            o.cache,
            o.run_dir,
            fold=o.fold,
            device=o.device,
            resume=o.resume,
            steps=o.steps,
            seed=o.seed,
            learning_rate=o.learning_rate,
            start=o.start,
            slices=o.slices,
            corrupted=o.corrupted,
            blunders=o.blunders,
        )
    except TrainingStoppedError as stopped:
        print(f"cmrseg: {stopped}", file=sys.stderr)
        return 143
    return EXIT_OK


def add_pack(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab pack`."""
    options.add_challenge(p)
    p.add_argument("bundle", type=Path, help="folder to write (an older bundle is replaced)")
    p.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        help="checkpoint.safetensors of each run, or best-1.safetensors and so on",
    )
    p.add_argument("--commit", default="unknown", help="the commit the bundle is packed at")
    p.set_defaults(run=_run_pack)


def _run_pack(o: argparse.Namespace) -> int:
    from cmrseg_lab.training.pack import pack

    print(f"packed {pack(o.challenge, o.checkpoints, o.bundle, commit=o.commit)}")
    return EXIT_OK


def add_calibrate(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab calibrate`."""
    p.add_argument("network", choices=NETWORKS, help="emidec's rules, or which view's thresholds")
    p.add_argument(
        "data",
        type=Path,
        help="what its networks learned from: emidec's labelled cases, a view's cache",
    )
    options.add_weights(p)
    p.add_argument("--mirrors", type=int, choices=(1, 2, 4), default=4, help="mirror images")
    _add_rehearse(p)
    p.add_argument("--source", default="emidec", help="emidec: the name the data has in the bundle")
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
    if o.network == "emidec":
        from cmrseg_lab.training.calibration import emidec
        from cmrseg_lab.training.calibration.emidec_out_of_fold import Effort

        samples = o.samples if o.samples is not None else 20 if o.work else 6
        effort = Effort(mirrors=o.mirrors, samples=samples, device=o.device, precision=o.precision)
        print(emidec.calibrate(o.data, o.weights, source=o.source, work=o.work, effort=effort))
        return EXIT_OK
    from cmrseg_lab.training.calibration.mnms2 import Rehearse, calibrate, without_refinement

    rehearse: Rehearse = o.rehearse or "synthetic"
    print(
        calibrate(
            o.network, o.data, o.weights, mirrors=o.mirrors, device=o.device, rehearse=rehearse
        )
    )
    if rehearse != "none" and (told := without_refinement(o.weights)):
        print(told)
    return EXIT_OK
