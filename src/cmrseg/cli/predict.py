"""What segments cases, and what tells of the means to."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmrseg.cli import options
from cmrseg.runtime.errors import EXIT_OK


def add_predict(p: argparse.ArgumentParser) -> None:
    """`cmrseg predict`."""
    options.add_challenge(p)
    p.add_argument("input", type=Path, help="cases: EMIDEC, M&Ms-2, Grand Challenge or any images")
    p.add_argument("output", type=Path, help="where results go")
    p.add_argument(
        "--contract",
        choices=("grand-challenge", "emidec", "mnms2", "folder"),
        help="the input's layout (default: detected)",
    )
    p.add_argument(
        "--labels",
        help="mnms2: all (default), rv (RV = 3 alone, as the challenge scores it) or rv1 (RV = 1)",
    )
    p.add_argument(
        "--frame", type=options.whole, help="plain folders: the frame of 4-D files, from 0"
    )
    p.add_argument(
        "--resume",
        action="store_true",
        help="leave out cases done before with the same images, weights and options; without it "
        "every case is computed and replaces what is there",
    )
    p.add_argument(
        "--shard",
        type=options.shard,
        metavar="I/N",
        help="take every N-th case from the I-th on (I from 1), for arrays of jobs; the summary is "
        "summary-IofN; --resume without --shard gathers them afterwards",
    )
    p.add_argument(
        "--dicom-seg",
        action="store_true",
        help="masks of DICOM series as DICOM SEG too (pip install 'cmrseg[dicom-seg]')",
    )
    options.add_report(p)
    options.add_effort(p)
    options.add_log_format(p)
    p.set_defaults(run=_run_predict)


def _run_predict(o: argparse.Namespace) -> int:
    from cmrseg.run.predict import predict

    return predict(
        o.challenge,
        o.input,
        o.output,
        contract=o.contract,
        labels=o.labels,
        frame=o.frame,
        resume=o.resume,
        shard=o.shard,
        report=o.report,
        dicom_seg=o.dicom_seg,
        command=o.command,
        **options.effort(o),
    )


def add_serve(p: argparse.ArgumentParser) -> None:
    """`cmrseg serve`."""
    options.add_challenge(p)
    p.add_argument("--host", default="0.0.0.0", help="address to listen on")
    p.add_argument(
        "--port", type=options.whole, default=4743, help="port to listen on, 0 for a free one"
    )
    p.add_argument("--input", type=Path, default=Path("/input"), help="looked up at each request")
    p.add_argument("--output", type=Path, default=Path("/output"), help="where results go")
    options.add_effort(p)
    options.add_log_format(p)
    p.set_defaults(run=_run_serve)


def _run_serve(o: argparse.Namespace) -> int:
    from cmrseg.run.serve import serve

    serve(
        o.challenge,
        host=o.host,
        port=o.port,
        input_dir=o.input,
        output_dir=o.output,
        **options.effort(o),
    )


def add_info(p: argparse.ArgumentParser) -> None:
    """`cmrseg info`."""
    p.add_argument(
        "challenge", choices=options.CHALLENGES, nargs="?", help="default: all there are"
    )
    options.add_weights(p)
    p.add_argument("--json", action="store_true", help="for programs")
    p.set_defaults(run=_run_info)


def _run_info(o: argparse.Namespace) -> int:
    from cmrseg.cli.info import as_json, as_text, information

    found = information(o.challenge, o.weights)
    print(as_json(found) if o.json else as_text(found))
    return EXIT_OK


def add_demo(p: argparse.ArgumentParser) -> None:
    """`cmrseg demo`."""
    p.add_argument("samples", type=Path, help="folder with emidec/ and mnms2/ sample cases")
    p.add_argument("output", type=Path, help="where masks and the picture go")
    options.add_device(p)
    p.set_defaults(run=_run_demo)


def _run_demo(o: argparse.Namespace) -> int:
    from cmrseg.cli.demo import demo

    return demo(o.samples, o.output, device=o.device)
