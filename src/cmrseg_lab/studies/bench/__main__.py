"""``python -m cmrseg_lab.studies.bench``: measure, print the table, and write it if asked to."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cmrseg.cases.challenge import SPECS
from cmrseg.runtime import cpu_limit, share_cpus
from cmrseg.runtime.errors import EXIT_OK, CmrsegError
from cmrseg_lab.studies.bench import table
from cmrseg_lab.studies.bench.plan import Plan, help_rows
from cmrseg_lab.studies.bench.table import BenchRow


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both recipes; a missed aim is told in the table and is no failure."""
    options = bench_parser().parse_args(arguments)
    try:
        if options.out:
            table.check_ending(options.out)
        facts = machine()
        print("; ".join(f"{name}: {value}" for name, value in facts.items()), flush=True)
        rows = measure(options)
        print(f"\n{table.bench_table(rows).text()}")
        if options.out:
            table.save_report(rows, facts, options.out)
    except CmrsegError as error:
        print(f"cmrseg_lab.studies.bench: {error}", file=sys.stderr)
        return error.exit_code
    return EXIT_OK


def bench_parser() -> argparse.ArgumentParser:
    """The options."""
    p = argparse.ArgumentParser(prog="python -m cmrseg_lab.studies.bench", description=__doc__)
    p.add_argument("--only", choices=tuple(SPECS), help="one challenge (default: both)")
    p.add_argument("--samples", type=Path, help="folder with emidec/ and mnms2/ cases (default: "
                   "the checkout's, else synthetic ones)")  # fmt: skip
    for challenge in SPECS:
        p.add_argument(f"--weights-{challenge}", type=Path, help=f"bundle of {challenge}")
    p.add_argument("--rounds", type=_positive, default=5, help="measurements of each thing")
    p.add_argument("--cases", type=_positive, default=20, help="cases in the long run")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    p.add_argument("--out", type=Path, help="write the report here, .md or .json")
    return p


def measure(options: argparse.Namespace) -> list[BenchRow]:
    """All rows: processes of both challenges first, then what is measured in this process.

    Raises:
        CmrsegError: weights or samples are missing, or a case fails.
    """
    with tempfile.TemporaryDirectory(prefix="cmrseg-bench-") as scratch:
        plans = []
        for challenge in (options.only,) if options.only else SPECS:
            folder = Path(scratch) / challenge
            folder.mkdir()
            plans.append(
                Plan.of(
                    challenge,
                    samples=options.samples,
                    weights=getattr(options, f"weights_{challenge}"),
                    scratch=folder,
                    device=options.device,
                    rounds=options.rounds,
                    cases=options.cases,
                    say=_say,
                )
            )
        rows = list(help_rows(options.rounds))
        for plan in plans:
            rows += plan.processes()
        share_cpus()
        for plan in plans:
            rows += plan.inside()
        return rows


def machine() -> dict[str, object]:
    """What was measured on, and how busy it was with other things."""
    from importlib.metadata import version

    return {
        "processor": platform.processor() or platform.machine(),
        "CPUs": cpu_limit(),
        "load before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below one")
    return value


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
