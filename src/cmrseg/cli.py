"""The command line: parsing and nothing else. Exit codes are those of :mod:`cmrseg.errors`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from cmrseg import __version__
from cmrseg.errors import (
    DEBUG_VARIABLE,
    EXIT_BUG,
    EXIT_MEMORY,
    EXIT_OK,
    EXIT_OUTPUT,
    CmrsegError,
    UsageError,
)
from cmrseg.runtime import share_cpus
from cmrseg.runtime.logs import Line, formatted, tell, use_utf8

if TYPE_CHECKING:
    from cmrseg.batch import Shard

CHALLENGES = ("emidec", "mnms2")
STDOUT = 1
NETWORKS = ("emidec", "mnms2-sa", "mnms2-la")
AUTOENCODERS = ("mnms2-sa-qc", "mnms2-la-qc")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    signal.signal(signal.SIGTERM, _end)
    use_utf8()
    options = parser().parse_args(arguments)
    share_cpus()
    with formatted(getattr(options, "log_format", "text")):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    """The command's exit code; where it is not 0, the last line on stderr is the reason."""
    try:
        return int(options.run(options))
    except CmrsegError as error:
        return _ended(str(error), error.exit_code)
    except MemoryError:
        return _ended("the memory does not suffice. Give the process more.", EXIT_MEMORY)
    except BrokenPipeError:  # whoever read the lines has gone: `cmrseg info | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        return EXIT_OUTPUT
    except OSError as error:
        # Unreadable input is a CmrsegError already; what is left are folders to write into.
        reason = error.strerror or type(error).__name__
        return _ended(f"{error.filename or 'the disk'}: {reason}. Check it.", EXIT_OUTPUT)
    except KeyboardInterrupt:
        return _ended("interrupted. Nothing half-written was left.", 130)
    except _TerminatedError:
        return _ended("terminated. Nothing half-written was left.", 143)
    except Exception as error:  # whatever it is, the last line says so and what to do
        if os.environ.get(DEBUG_VARIABLE) == "1":
            traceback.print_exception(error)
        told = f"a fault of cmrseg ({type(error).__name__}: {error}). Please report it"
        return _ended(f"{told}; {DEBUG_VARIABLE}=1 shows where it happened.", EXIT_BUG)


def _ended(reason: str, code: int) -> int:
    tell(Line(f"cmrseg: {reason}", "error"))
    return code


class _TerminatedError(BaseException):
    """SIGTERM came."""


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """SIGTERM as an exception, so that what is staged gets cleaned up on the way out."""
    raise _TerminatedError


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(
        prog="cmrseg",
        description="Segments cardiac MR and says how far each result can be trusted.",
        epilog="exit codes: 0 all done, 1 fault of cmrseg, 2 command line, 3 input, 4 some cases "
        "failed, 5 output, 6 weights, 7 memory, 130 interrupted, 143 terminated",
    )
    top.add_argument("--version", action="version", version=f"cmrseg {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _predict(commands.add_parser("predict", help="segment a folder of cases"))
    _serve(commands.add_parser("serve", help="answer the platform's invocations over HTTP"))
    _evaluate(commands.add_parser("evaluate", help="score predictions against expert labels"))
    _info(commands.add_parser("info", help="what weights there are and what they are good for"))
    _demo(commands.add_parser("demo", help="both recipes on sample cases, with a picture"))
    _synthesize(commands.add_parser("synthesize", help="draw labelled synthetic patients"))
    _preprocess(commands.add_parser("preprocess", help="write the cache that training reads"))
    _train(commands.add_parser("train", help="fit one network from the cache"))
    _train_qc(commands.add_parser("train-qc", help="fit the autoencoder of one view's masks"))
    _score_qc(commands.add_parser("score-qc", help="how well an autoencoder tells wrong masks"))
    _pack(commands.add_parser("pack", help="make a weights bundle of trained networks"))
    _validate(commands.add_parser("validate", help="score a bundle on the folds it never saw"))
    _lint_image(commands.add_parser("lint-image", help="check a submission as the platform would"))
    return top


def _predict(p: argparse.ArgumentParser) -> None:
    _challenge(p)
    p.add_argument("input", type=Path, help="cases: EMIDEC, M&Ms-2, Grand Challenge or any images")
    p.add_argument("output", type=Path, help="where results go")
    p.add_argument(
        "--contract",
        choices=("grand-challenge", "emidec", "mnms2", "folder"),
        help="the input's layout (default: detected)",
    )
    p.add_argument("--weights", type=Path, help="a weights bundle (default: the usual places)")
    p.add_argument("--labels", help="mnms2: rv (RV = 3 alone), rv1 (RV = 1) or all")
    p.add_argument("--sockets", type=Path, help="a Grand Challenge socket table (JSON)")
    p.add_argument("--frame", type=_whole, help="plain folders: the frame of 4-D files, from 0")
    p.add_argument("--mirrors", type=int, choices=(1, 2, 4), default=4, help="mirror images")
    p.add_argument(
        "--samples", type=_whole, default=5, help="emidec: dropout passes a network, 0 for none"
    )
    p.add_argument(
        "--time-budget",
        type=_seconds,
        metavar="SECONDS",
        help="what a case may take, the first one's with start-up; where its first pass shows that "
        "time is short, fewer mirror images are computed, then fewer samples, with a warning",
    )
    p.add_argument(
        "--resume",
        action="store_true",
        help="leave out cases done before with the same images, weights and options; without it "
        "every case is computed and replaces what is there",
    )
    p.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="take every N-th case from the I-th on (I from 1), for arrays of jobs; the summary is "
        "summary-IofN; --resume without --shard gathers them afterwards",
    )
    _device(p)
    p.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16", "fp16"),
        default="auto",
        help="what networks compute in (default: auto, the fastest here, measured)",
    )
    _log_format(p)
    p.set_defaults(run=_run_predict)


def _run_predict(o: argparse.Namespace) -> int:
    from cmrseg.predict import predict

    return predict(
        o.challenge,
        o.input,
        o.output,
        contract=o.contract,
        weights=o.weights,
        device=o.device,
        precision=None if o.precision == "auto" else o.precision,
        labels=o.labels,
        sockets=o.sockets,
        frame=o.frame,
        mirrors=o.mirrors,
        samples=o.samples,
        time_budget=o.time_budget,
        resume=o.resume,
        shard=o.shard,
    )


def _serve(p: argparse.ArgumentParser) -> None:
    _challenge(p)
    p.add_argument("--host", default="0.0.0.0", help="address to listen on")
    p.add_argument("--port", type=_whole, default=4743, help="port to listen on, 0 for a free one")
    p.add_argument("--input", type=Path, default=Path("/input"), help="looked up at each request")
    p.add_argument("--output", type=Path, default=Path("/output"), help="where results go")
    p.add_argument("--weights", type=Path, help="a weights bundle (default: the usual places)")
    _device(p)
    _log_format(p)
    p.set_defaults(run=_run_serve)


def _run_serve(o: argparse.Namespace) -> int:
    from cmrseg.serve import serve

    serve(
        o.challenge,
        host=o.host,
        port=o.port,
        input_dir=o.input,
        output_dir=o.output,
        weights=o.weights,
        device=o.device,
    )


def _evaluate(p: argparse.ArgumentParser) -> None:
    _challenge(p)
    p.add_argument("predictions", type=Path, help="folder of predictions")
    p.add_argument("truth", type=Path, help="folder of expert labels")
    p.add_argument("--out", type=Path, help="write evaluation.csv, .json and .md here")
    p.set_defaults(run=_run_evaluate)


def _run_evaluate(o: argparse.Namespace) -> int:
    from cmrseg.evaluation.run import evaluate

    report = evaluate(o.challenge, o.predictions, o.truth, o.out)
    print(report.text())
    return report.exit_code


def _info(p: argparse.ArgumentParser) -> None:
    p.add_argument("challenge", choices=CHALLENGES, nargs="?", help="default: all there are")
    p.add_argument("--weights", type=Path, help="a weights bundle (default: the usual places)")
    p.add_argument("--json", action="store_true", help="for programs")
    p.set_defaults(run=_run_info)


def _run_info(o: argparse.Namespace) -> int:
    from cmrseg.info import as_json, as_text, information

    found = information(o.challenge, o.weights)
    print(as_json(found) if o.json else as_text(found))
    return EXIT_OK


def _demo(p: argparse.ArgumentParser) -> None:
    p.add_argument("samples", type=Path, help="folder with emidec/ and mnms2/ sample cases")
    p.add_argument("output", type=Path, help="where masks and the picture go")
    _device(p)
    p.set_defaults(run=_run_demo)


def _run_demo(o: argparse.Namespace) -> int:
    from cmrseg.demo import demo

    return demo(o.samples, o.output, device=o.device)


def _synthesize(p: argparse.ArgumentParser) -> None:
    _challenge(p)
    p.add_argument("output", type=Path, help="folder to write the challenge's layout into")
    p.add_argument("--patients", type=_count, required=True, help="how many")
    p.add_argument("--seed", type=int, default=0, help="same seed, same hearts")
    p.add_argument("--group", help="disease of all patients (default: drawn)")
    p.add_argument("--style", default="in", help="in, out, or a style's name")
    p.add_argument("--artefact", help='name=strength, comma-separated: "ghosting=0.4,noise"')
    p.add_argument("--jobs", type=_count, help="processes (default: all CPUs)")
    _log_format(p)
    p.set_defaults(run=_run_synthesize)


def _run_synthesize(o: argparse.Namespace) -> int:
    from cmrseg.runtime import Progress
    from cmrseg.synthetic.synthesize import synthesize

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
    return EXIT_OK


def _preprocess(p: argparse.ArgumentParser) -> None:
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
    _log_format(p)
    p.set_defaults(run=_run_preprocess)


def _run_preprocess(o: argparse.Namespace) -> int:
    from cmrseg.challenges.catalogue import RECIPES
    from cmrseg.training.preprocess import preprocess

    chosen = RECIPES[o.network]
    for option, network, make in (
        ("reformat", "mnms2-la", "reformatted"),
        ("implant", "emidec", "implanted"),
    ):
        if not getattr(o, option):
            continue
        if o.network != network:
            raise UsageError(f"--{option} makes images for {network}", f"use it with {network}")
        from cmrseg.training import made

        items, remake = getattr(made, make)(o.data)
        preprocess(o.network, items, chosen.grid, o.cache, source=o.source, remake=remake)
        return EXIT_OK
    preprocess(o.network, chosen.items(o.data), chosen.grid, o.cache, source=o.source)
    return EXIT_OK


def _train(p: argparse.ArgumentParser) -> None:
    p.add_argument("network", choices=NETWORKS, help="what to train")
    p.add_argument("cache", type=Path, help="made by `cmrseg preprocess`")
    p.add_argument(
        "run_dir",
        metavar="run",
        type=Path,
        help="folder for checkpoint, log and TensorBoard scalars",
    )
    p.add_argument("--config", default="compact", help="compact or paper")
    p.add_argument("--fold", type=_fold, default=0, help="the fold held out, or all (none)")
    p.add_argument("--seed", type=int, help="default: the configuration's")
    p.add_argument("--steps", type=_count, help="default: the configuration's")
    p.add_argument("--workers", type=_whole, default=1, help="processes that augment")
    p.add_argument(
        "--start", type=Path, help="checkpoint whose weights to start from, with a new schedule"
    )
    p.add_argument("--learning-rate", type=float, help="default: the configuration's")
    p.add_argument("--samples", type=_count, help="dropout passes a step; 1 is the baseline")
    p.add_argument("--alpha", type=_weight, help="weight of their uncertainty in the loss")
    p.add_argument("--resume", action="store_true", help="go on from the checkpoint in RUN")
    p.add_argument(
        "--precision", choices=("fp32", "bf16", "fp16"), help="default: the fastest, measured"
    )
    _device(p)
    _log_format(p)
    p.set_defaults(run=_run_train)


def _run_train(o: argparse.Namespace) -> int:
    from cmrseg.challenges.catalogue import RECIPES
    from cmrseg.training.fit import TrainingStoppedError
    from cmrseg.training.run import train

    configurations = RECIPES[o.network].training
    if o.config not in configurations:
        raise UsageError(
            f"{o.network} has no configuration {o.config}", f"use {' or '.join(configurations)}"
        )
    try:
        train(
            configurations[o.config],
            o.cache,
            o.run_dir,
            fold=o.fold,
            device=o.device,
            resume=o.resume,
            start=o.start,
            learning_rate=o.learning_rate,
            samples=o.samples,
            alpha=o.alpha,
            workers=o.workers,
            steps=o.steps,
            seed=o.seed,
            precision=o.precision,
        )
    except TrainingStoppedError as stopped:
        print(f"cmrseg: {stopped}", file=sys.stderr)
        return 143
    return EXIT_OK


def _train_qc(p: argparse.ArgumentParser) -> None:
    p.add_argument("network", choices=AUTOENCODERS, help="what to train")
    p.add_argument("cache", type=Path, help="the one the view's segmenter learns from")
    p.add_argument("run_dir", metavar="run", type=Path, help="folder for checkpoint and log")
    p.add_argument("--config", choices=("compact", "paper"), default="compact", help="which shape")
    p.add_argument("--fold", type=_fold, default=0, help="the fold held out, or all (none)")
    p.add_argument("--seed", type=int, help="default: the configuration's")
    p.add_argument("--steps", type=_count, help="default: the configuration's")
    p.add_argument("--learning-rate", type=float, help="default: the configuration's")
    p.add_argument("--resume", action="store_true", help="go on from the checkpoint in RUN")
    _device(p)
    p.set_defaults(run=_run_train_qc)


def _run_train_qc(o: argparse.Namespace) -> int:
    from cmrseg.training.autoencoder import train_autoencoder
    from cmrseg.training.autoencoder_config import configurations
    from cmrseg.training.fit import TrainingStoppedError

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
        )
    except TrainingStoppedError as stopped:
        print(f"cmrseg: {stopped}", file=sys.stderr)
        return 143
    return EXIT_OK


def _score_qc(p: argparse.ArgumentParser) -> None:
    p.add_argument("checkpoint", type=Path, help="checkpoint.safetensors of `cmrseg train-qc`")
    p.add_argument("cache", type=Path, help="the one it was trained from")
    p.add_argument("out", type=Path, help="folder for autoencoder.md and autoencoder.json")
    p.add_argument("--segmenter", type=Path, help="a segmenter's checkpoint: judge its errors too")
    p.add_argument("--errors", type=_count, default=10, help="wrong masks an image and kind")
    p.add_argument("--seed", type=int, default=0, help="decides the errors")
    _device(p)
    p.set_defaults(run=_run_score_qc)


def _run_score_qc(o: argparse.Namespace) -> int:
    from cmrseg.training.detection import score_autoencoder

    text = score_autoencoder(
        o.checkpoint,
        o.cache,
        o.out,
        segmenter=o.segmenter,
        errors=o.errors,
        seed=o.seed,
        device=o.device,
    )
    print(text)
    return EXIT_OK


def _pack(p: argparse.ArgumentParser) -> None:
    _challenge(p)
    p.add_argument("bundle", type=Path, help="folder to write (an older bundle is replaced)")
    p.add_argument("checkpoints", type=Path, nargs="+", help="checkpoint.safetensors of each run")
    p.add_argument("--commit", default="unknown", help="the commit the bundle is packed at")
    p.set_defaults(run=_run_pack)


def _run_pack(o: argparse.Namespace) -> int:
    from cmrseg.training.pack import pack

    print(f"packed {pack(o.challenge, o.checkpoints, o.bundle, commit=o.commit)}")
    return EXIT_OK


def _validate(p: argparse.ArgumentParser) -> None:
    _challenge(p)
    p.add_argument("data", type=Path, help="the labelled data the bundle was trained on")
    p.add_argument("out", type=Path, help="folder for predictions and scores")
    p.add_argument("--source", required=True, help="the name the data was preprocessed under")
    p.add_argument("--weights", type=Path, help="a weights bundle (default: the usual places)")
    p.add_argument("--record", action="store_true", help="write scores into manifest and card")
    _device(p)
    _log_format(p)
    p.set_defaults(run=_run_validate)


def _run_validate(o: argparse.Namespace) -> int:
    from cmrseg.validate import validate

    report = validate(
        o.challenge,
        o.data,
        o.out,
        source=o.source,
        weights=o.weights,
        device=o.device,
        record=o.record,
    )
    print(report.text())
    return report.exit_code


def _lint_image(p: argparse.ArgumentParser) -> None:
    p.add_argument("image", metavar="TAR_OR_TAG", help="written by docker save, or an image's name")
    p.add_argument("--challenge", choices=CHALLENGES, help="default: that of the weights inside")
    p.add_argument("--engine", default="docker", help="the container engine's command")
    p.add_argument("--static", action="store_true", help="do not run sample cases")
    p.add_argument("--json", action="store_true", help="JSON instead of a table")
    p.set_defaults(run=_run_lint_image)


def _run_lint_image(o: argparse.Namespace) -> int:
    from cmrseg.lint_image.lint import lint_image

    return lint_image(
        o.image, challenge=o.challenge, engine=o.engine, static=o.static, as_data=o.json
    )


def _challenge(p: argparse.ArgumentParser) -> None:
    p.add_argument("challenge", choices=CHALLENGES, help="which recipe")


def _device(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def _log_format(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="json: one object a line on both streams, with level, time, case and message",
    )


def _shard(text: str) -> Shard:
    """``I/N``."""
    from cmrseg.batch import Shard

    try:
        return Shard.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not I/N with I from 1 to N") from error


def _seconds(text: str) -> float:
    """A number of seconds above zero."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time to work in")
    return value


def _whole(text: str) -> int:
    """A whole number, zero included."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return value


def _count(text: str) -> int:
    """A whole number from one."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below one")
    return value


def _weight(text: str) -> float:
    """A finite number from zero."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no weight")
    return value


def _fold(text: str) -> int | None:
    """A fold's number, or ``all`` for none held out."""
    return None if text == "all" else _whole(text)


if __name__ == "__main__":
    sys.exit(main())
