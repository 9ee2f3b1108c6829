"""What tries cmrseg out on inputs that it should take in its stride."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from tempfile import TemporaryDirectory

from cmrseg.cli import options
from cmrseg.runtime.errors import EXIT_OK, EXIT_PARTIAL


def add_study(p: argparse.ArgumentParser) -> None:
    """`cmrseg-lab study`."""
    studies = p.add_subparsers(metavar="STUDY", required=True)
    for name, view in (("short-axis", "SA"), ("long-axis", "LA")):
        words = f"how good {name.replace('-', ' ')} masks are, on patients held out"
        _add_out_of_fold(studies.add_parser(name, help=words), name, view)
    _add_contrasts(studies.add_parser("contrasts", help="EMIDEC's networks on any contrast"))
    _add_two_views(studies.add_parser("two-views", help="what comparing short and long axis finds"))
    _add_invariance(
        studies.add_parser("invariance", help="whether an image's form changes its mask")
    )
    _add_faults(
        studies.add_parser("faults", help="what faulty inputs, kills and full disks come to")
    )

    _add_cohort(studies.add_parser("cohort", help="what gathering thousands of cases takes"))


def _add_bundles(p: argparse.ArgumentParser) -> None:
    """Data sets, and bundles to compare on them."""
    p.add_argument("data", nargs="+", type=options.name_and_path, metavar="SOURCE=FOLDER")
    p.add_argument(
        "--bundle",
        action="append",
        type=options.name_and_path,
        metavar="NAME=FOLDER",
        help="a bundle and what to call it; several (default: the usual one)",
    )
    p.add_argument("--most", type=options.count, help="patients of each source (default: all)")
    p.add_argument("--out", type=Path, help="write the page there, as Markdown, too")
    options.add_device(p)


def _command(o: argparse.Namespace) -> str:
    """As it was called, without folders of this machine."""
    named = " ".join(f"{name}={folder.name}" for name, folder in o.data)
    shown = "".join(
        f" --bundle {name}={folder.name if folder.is_absolute() else folder}"
        for name, folder in o.bundle or []
    )
    most = f" --most {o.most}" if o.most else ""
    return f"cmrseg-lab study {o.study} {named}{shown}{most}"


def _add_contrasts(p: argparse.ArgumentParser) -> None:
    _add_bundles(p)
    p.set_defaults(run=_run_contrasts, study="contrasts")


def _run_contrasts(o: argparse.Namespace) -> int:
    from cmrseg_lab.studies import contrasts

    tables = {
        name: contrasts.scores(dict(o.data), folder, most=o.most, device=o.device)
        for name, folder in o.bundle or [("bundle", None)]
    }
    _publish(o, contrasts.page(tables, _command(o)))
    return EXIT_OK


def _add_out_of_fold(p: argparse.ArgumentParser, name: str, view: str) -> None:
    _add_bundles(p)
    p.set_defaults(run=_run_out_of_fold, study=name, view=view)


def _run_out_of_fold(o: argparse.Namespace) -> int:
    from cmrseg_lab.studies import out_of_fold

    bundles: list[tuple[str, Path | None]] = o.bundle or [("bundle", None)]
    every = [folder for _, folder in bundles]
    tables = {
        name: out_of_fold.scores(
            o.view, dict(o.data), folder, most=o.most, device=o.device, beside=every
        )
        for name, folder in bundles
    }
    _publish(o, out_of_fold.page(o.view, tables, _command(o)))
    return EXIT_OK


def _add_two_views(p: argparse.ArgumentParser) -> None:
    p.add_argument("data", type=Path, help="patients with both views and their masks")
    p.add_argument("--masks", type=Path, help="what `cmrseg predict` made of them, too")
    p.add_argument("--out", type=Path, help="write the page there, as Markdown, too")
    p.set_defaults(run=_run_two_views)


def _run_two_views(o: argparse.Namespace) -> int:
    from cmrseg_lab.studies import two_views

    tables = [("true", two_views.study(o.data))]
    if o.masks:
        tables.append(("predicted", two_views.study(o.data, o.masks)))
    masks = f" --masks {o.masks.name}" if o.masks else ""
    text = two_views.page(tables, f"cmrseg-lab study two-views {o.data.name}{masks}")
    _publish(o, text)
    return EXIT_OK


def _add_invariance(p: argparse.ArgumentParser) -> None:
    options.add_challenge(p)
    p.add_argument("data", type=Path, nargs="?", help="cases (default: the checkout's samples)")
    p.add_argument("--out", type=Path, help="write the table there, as Markdown, too")
    p.add_argument("--cases", type=options.count, default=2, help="how many (default: 2)")
    options.add_weights(p)
    options.add_device(p)
    p.set_defaults(run=_run_invariance)


def _run_invariance(o: argparse.Namespace) -> int:
    from cmrseg.models import bundle
    from cmrseg.run.predict import model
    from cmrseg_lab.studies import invariance
    from cmrseg_lab.synthetic.synthesize import CHECKOUT

    found = bundle.find(o.challenge, o.weights)
    cases = invariance.cases_of(o.challenge, o.data or CHECKOUT / o.challenge, o.cases)
    segment = model(o.challenge, found, device=o.device).segment
    outcomes = invariance.study(o.challenge, cases, segment, _progress)
    text = invariance.invariance_table(o.challenge, outcomes).markdown()
    shown = o.data.name if o.data else "the sample cases"
    _publish(
        o,
        f"{text}\n",
        f"# Invariance: {o.challenge}\n\nLowest Dice against the unchanged image's own mask; "
        f"cases: {len(cases)} of {shown}, weights {found.digest[:12]}.\n\n",
    )
    return EXIT_OK


def _add_faults(p: argparse.ArgumentParser) -> None:
    options.add_challenge(p)
    p.add_argument("--trials", type=options.count, default=100, help="how many (default: 100)")
    p.add_argument("--first", type=options.whole, default=0, help="number of the first one")
    p.add_argument("--seed", type=options.whole, default=0, help="decides all faults")
    p.add_argument("--workers", type=options.count, default=1, help="trials at once (default: 1)")
    p.add_argument("--out", type=Path, help="write the table there, as Markdown, too")
    p.add_argument(
        "--weights", type=Path, help="a weights bundle (default: a tiny untrained network)"
    )
    p.set_defaults(run=_run_faults)


def _run_faults(o: argparse.Namespace) -> int:
    from cmrseg.cli.main import main
    from cmrseg_lab.studies.faults import campaign, untrained
    from cmrseg_lab.synthetic.synthesize import CHECKOUT

    source = CHECKOUT / "mnms2/dataset/001/001_SA_ED.nii.gz"
    trials = []
    with TemporaryDirectory() as folder:
        weights = o.weights or untrained.make(o.challenge, Path(folder))
        words = ["--weights", str(weights), "--device", "cpu", "--mirrors", "1"]
        words += ["--samples", "0"] if o.challenge == "emidec" else []
        made = campaign.Campaign(main, o.challenge, campaign.small_stack(source), words, o.seed)
        for trial in made.trials(range(o.first, o.first + o.trials), o.workers):
            trials.append(trial)
            why = f" ({trial.reason})" if trial.outcome in campaign.BAD else ""
            _progress(f"{trial.number} {trial.kind}, {trial.what}: {trial.outcome}{why}")
    text = campaign.outcome_table(trials).markdown()
    made_by = f"cmrseg-lab study faults {o.challenge} --seed {o.seed} --trials {o.trials}"
    made_by += f" --first {o.first}" if o.first else ""
    head = f"# Faults: {o.challenge}\n\nTrials by what they came to; `{made_by}`.\n\n"
    _publish(o, f"{text}\n", head)
    return EXIT_PARTIAL if any(one.outcome in campaign.BAD for one in trials) else EXIT_OK


def _add_cohort(p: argparse.ArgumentParser) -> None:
    p.add_argument("--cases", type=options.count, default=5000, help="how many (default: 5000)")
    p.add_argument("--out", type=Path, help="write the table there, as Markdown, too")
    options.add_weights(p)
    p.set_defaults(run=_run_cohort)


def _run_cohort(o: argparse.Namespace) -> int:
    from cmrseg_lab.studies import cohort

    weights = ["--weights", str(o.weights)] if o.weights else []
    with tempfile.TemporaryDirectory() as folder:
        text = cohort.study(o.cases, Path(folder), *weights).markdown()
    _publish(
        o,
        f"{text}\n",
        f"# Many cases\n\nOne sample case, and {o.cases} finished cases that are its copies; "
        f"`cmrseg-lab study cohort --cases {o.cases}`.\n\n",
    )
    return EXIT_OK


def _publish(o: argparse.Namespace, text: str, words: str = "") -> None:
    """Print a table; with ``--out`` write it, below what introduces it."""
    print(text, end="" if text.endswith("\n") else "\n")
    if o.out:
        o.out.parent.mkdir(parents=True, exist_ok=True)
        o.out.write_text(words + text, encoding="utf-8")


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
