"""`cmrseg reproduce mnms2`."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmrseg.commands import options
from cmrseg.commands.trained import add_trained, trained, trained_words
from cmrseg.errors import EXIT_OK

STYLES = ("low-field", "ge-1.5t", "resolution", "contrast")
DRAWN, ARTEFACTS = ("in", "out"), "ghosting=0.4,motion=0.4"


def add_mnms2(p: argparse.ArgumentParser) -> None:
    """Options of the paper of galati2021."""
    p.add_argument("data", type=Path, help="labelled short-axis patients, M&Ms-2 layout")
    p.add_argument(
        "out",
        type=Path,
        nargs="?",
        default=Path("docs/results/mnms2"),
        help="page, tables, figures; what is measured of each heart stays in OUT/work, out of "
        "version control, and a run that was stopped goes on from it",
    )
    p.add_argument(
        "--segmenter",
        type=options.named,
        action="append",
        metavar="NAME=BUNDLE",
        help="a bundle and what tables call it; several are compared (default: the usual places)",
    )
    p.add_argument("--pool", type=options.named, action="append", metavar="NAME=BUNDLE",
                   help="a bundle of three candidates or more, quality control not needed, to tell "
                   "which three are the most useful together, and where three should come from; "
                   "several")  # fmt: skip
    add_trained(p, "a BN1 and a BN2, both views,")
    p.add_argument("--source", default="acdc", help="the name the data was preprocessed under")
    p.add_argument("--shift", action="append", metavar="STYLE", help="show patients in this style "
                   "too, or with the resolution or contrast alone changed; several "
                   f"(default: {', '.join(STYLES)})")  # fmt: skip
    p.add_argument(
        "--hearts", type=options.whole, default=6, help="drawn hearts a cohort, 0 for none"
    )
    p.add_argument("--drawn", action="append", metavar="STYLE", help="of a cohort of drawn hearts; "
                   f"several (default: {', '.join(DRAWN)})")  # fmt: skip
    p.add_argument("--artefacts", default=ARTEFACTS, help="of one more such cohort, '' for none")
    p.add_argument("--scores", type=options.named, action="append", metavar="NAME=FILE",
                   help="autoencoder.json of `cmrseg score-qc`; several")  # fmt: skip
    p.add_argument("--mirrors", type=int, choices=(1, 2, 4), default=1, help="mirror images")
    p.add_argument("--refine-budget", type=options.weight, default=15.0, metavar="SECONDS",
                   help="what refining one image may take, 0 for no refinement")  # fmt: skip
    p.add_argument("--refine-images", type=options.whole, default=4,
                   help="flagged images that are refined of each cohort and view")  # fmt: skip
    p.add_argument("--precision", choices=("auto", "fp32", "bf16", "fp16"), default="auto")
    p.add_argument("--commit", help="of the code, told in the tables (default: git is asked)")
    options.add_device(p)
    options.add_log_format(p)
    p.set_defaults(run=_run)


def _run(o: argparse.Namespace) -> int:
    from cmrseg.reproduce.mnms2.hearts import Shifts
    from cmrseg.reproduce.mnms2.measure import Effort
    from cmrseg.reproduce.mnms2.page import reproduce
    from cmrseg.reproduce.provenance import commit_of_code
    from cmrseg.runtime.logs import Line, tell

    bundles: dict[str, Path | None] = dict(o.segmenter or [("committed", None)])
    if o.train:
        bn2 = {"paper": "bn2", "compact": "bn2-compact"}.get(o.train, o.train)
        bundles = trained("mnms2", o, {"BN1": (o.train, {}), "BN2": (bn2, {})})
    page = reproduce(
        o.data,
        o.out,
        bundles,
        source=o.source,
        shifts=Shifts(
            styles=tuple(o.shift or STYLES),
            hearts=o.hearts,
            drawn=tuple(o.drawn or DRAWN),
            artefacts=o.artefacts,
        ),
        effort=Effort(
            mirrors=o.mirrors,
            device=o.device,
            precision=None if o.precision == "auto" else o.precision,
            refine_s=o.refine_budget,
            refined=o.refine_images,
        ),
        pools=dict(o.pool or ()),
        scores=dict(o.scores or ()),
        commit=o.commit or commit_of_code(),
        command=_told(o),
        say=lambda line: tell(Line(line)),
    )
    for path in page.files:
        print(f"written: {path}")
    return EXIT_OK


def _told(o: argparse.Namespace) -> str:
    """The command without whole paths, which say more of a machine than of the figures."""
    words = ["cmrseg reproduce mnms2", o.data.name, o.out.name]
    words += trained_words(o)
    words += [f"--segmenter {name}={path.name}" for name, path in o.segmenter or ()]
    words += [f"--pool {name}={path.name}" for name, path in o.pool or ()]
    words += [f"--scores {name}={path.name}" for name, path in o.scores or ()]
    words += [f"--shift {style}" for style in o.shift or ()]
    words += [f"--drawn {style}" for style in o.drawn or ()]
    usual = {"source": "acdc", "hearts": 6, "artefacts": ARTEFACTS, "mirrors": 1,
             "refine_budget": 15.0, "refine_images": 4, "precision": "auto"}  # fmt: skip
    for name, value in usual.items():
        if getattr(o, name) != value:
            words.append(f"--{name.replace('_', '-')} {getattr(o, name)}")
    return " ".join(words)
