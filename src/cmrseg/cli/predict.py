"""What segments cases, and what tells of the means to."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmrseg.cases.challenge import MNMS2, SPECS
from cmrseg.cli import options
from cmrseg.cli.parser import ForRecipe, check_recipe
from cmrseg.runtime.errors import EXIT_OK


def add_predict(p: argparse.ArgumentParser) -> None:
    """`cmrseg predict`."""
    options.add_challenge(p)
    p.add_argument("input", type=Path, help="folder of cases, in any layout that is known")
    p.add_argument("output", type=Path, help="where results go")
    common = p.add_argument_group("common")
    common.add_argument(
        "--contract",
        choices=("grand-challenge", *SPECS, "nnunet", "bids", "folder"),
        help="the input's layout (default: detected)",
    )
    common.add_argument(
        "--labels",
        action=ForRecipe,
        recipe=MNMS2.name,
        help="all (default), rv (RV = 3 alone, as the challenge scores it) or rv1 (RV = 1)",
    )
    common.add_argument(
        "--frame", type=options.whole, help="plain folders: the frame of 4-D files, from 0"
    )
    common.add_argument(
        "--subjects",
        action=ForRecipe,
        recipe=MNMS2.name,
        type=Path,
        metavar="CSV",
        help="a table with case, height (cm), weight (kg) and sex, for values by body surface area "
        "(default: the input's dataset_information.csv)",
    )
    common.add_argument(
        "--save-uncertainty",
        action="store_true",
        help="write uncertainty maps beside the masks (Grand Challenge: as its sockets say)",
    )
    common.add_argument(
        "--save-probabilities",
        action="store_true",
        help="write each structure's probability beside the masks, uint8 with 255 for 1",
    )
    options.add_report(common)
    common.add_argument(
        "--resume",
        action="store_true",
        help="leave out cases done before with the same images, weights and options; without it "
        "every case is computed and replaces what is there",
    )
    options.add_part(common)
    common.add_argument(
        "--dicom-seg",
        action="store_true",
        help="masks of DICOM series as DICOM SEG too (pip install 'cmrseg[dicom-seg]')",
    )
    options.add_computing(p)
    p.set_defaults(run=_run_predict)


def _run_predict(o: argparse.Namespace) -> int:
    check_recipe(o)
    from cmrseg.run.predict import predict

    return predict(o.challenge, o.input, o.output, options.settings(o))


def add_serve(p: argparse.ArgumentParser) -> None:
    """`cmrseg serve`."""
    options.add_challenge(p)
    p.add_argument("--host", default="0.0.0.0", help="address to listen on")
    p.add_argument(
        "--port", type=options.whole, default=4743, help="port to listen on, 0 for a free one"
    )
    p.add_argument("--input", type=Path, default=Path("/input"), help="looked up at each request")
    p.add_argument("--output", type=Path, default=Path("/output"), help="where results go")
    options.add_computing(p)
    p.set_defaults(run=_run_serve)


def _run_serve(o: argparse.Namespace) -> int:
    check_recipe(o)
    from cmrseg.run.serve import serve

    serve(
        o.challenge,
        host=o.host,
        port=o.port,
        input_dir=o.input,
        output_dir=o.output,
        settings=options.settings(o),
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
    from cmrseg.cli.info import as_text, information, information_json

    found = information(o.challenge, o.weights)
    print(information_json(found) if o.json else as_text(found))
    return EXIT_OK


def add_demo(p: argparse.ArgumentParser) -> None:
    """`cmrseg demo`."""
    p.add_argument(
        "samples",
        nargs="?",
        type=Path,
        default=Path("tests/samples"),
        help="folder with emidec/ and mnms2/ sample cases (default: a clone's)",
    )
    p.add_argument(
        "output",
        nargs="?",
        type=Path,
        default=Path("out/demo"),
        help="where masks and the picture go (default: out/demo)",
    )
    options.add_device(p)
    p.set_defaults(run=_run_demo)


def _run_demo(o: argparse.Namespace) -> int:
    from cmrseg.cli.demo import demo

    return demo(o.samples, o.output, device=o.device)
