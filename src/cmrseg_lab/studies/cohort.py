"""What gathering the shards of a large cohort takes, on finished cases that one case stands for."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cmrseg.cases.challenge import MNMS2
from cmrseg.cases.ledger import FOLDER, Digests, Ledger
from cmrseg.evaluation.table import TextTable
from cmrseg.runtime.errors import CmrsegError
from cmrseg_lab.studies.bench.process import MB, cmrseg, timed_process
from cmrseg_lab.synthetic.synthesize import CHECKOUT

STANDS = "STANDS-FOR-ALL"
"""The one case that is computed."""
SHARDS = 20


def study(cases: int, folder: Path, *options: str) -> TextTable:
    """Compute one sample case, let finished cases of a cohort be as it is, and gather them.

    Args:
        cases: of the cohort.
        folder: an empty one for everything.
        options: of ``predict``.

    Returns:
        Processor time and peak memory of one case, of a shard whose cases are done, of gathering.
    """
    given, made = folder / "in", folder / "out"
    for path in (CHECKOUT / "mnms2/dataset/001").iterdir():
        if "_gt" not in path.name:
            kept = given / STANDS / path.name.replace("001", STANDS)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(path.read_bytes())
    predict = cmrseg("predict", MNMS2.name, given, made, *options)
    took = {"one case, from start to end": timed_process(predict)}
    _multiply(cases, given, made)
    resume = [*predict, "--resume"]
    part = f"a shard of {SHARDS} whose cases are done"
    took[part] = timed_process([*resume, "--shard", f"1/{SHARDS}"])
    took[f"gathering {cases} cases"] = timed_process(resume)
    told = json.loads((made / "summary.json").read_text())
    if told["done"] != cases:
        raise CmrsegError(f"{told['done']} of {cases} cases were gathered", "please report it")
    sizes = {
        "summary.json": made.glob("summary.json"),
        "summary.csv, details.csv": [made / "summary.csv", made / "details.csv"],
        "report.html, all pages": made.glob("report*.html"),
    }
    lines = [[what, f"{one.cpu_s:.1f}", f"{one.peak_mb:.0f}", ""] for what, one in took.items()]
    lines += [
        [what, "", "", f"{sum(path.stat().st_size for path in paths) / MB:.1f}"]
        for what, paths in sizes.items()
    ]
    header = ["", "processor time (s)", "peak memory (MB)", "size (MB)"]
    return TextTable(header=header, lines=lines)


def _multiply(cases: int, given: Path, made: Path) -> None:
    """Let every case of a cohort have the images, results and account of the one."""
    names = [f"{number:05d}" for number in range(cases)]
    page = next((made / FOLDER).glob("*.json"))
    text = page.read_text()
    written = list(json.loads(text)["files"])
    sources = list((given / STANDS).iterdir())
    for name in names:
        for path in sources:
            _link(path, given / name / path.name.replace(STANDS, name))
        for path in written:
            _link(made / path, made / path.replace(STANDS, name))
    # Another link changes the dates of its file, so these come first.
    for path in (*sources, *(made / path for path in written), page):
        path.unlink()
    (given / STANDS).rmdir()
    for name in names:
        told = json.loads(text.replace(STANDS, name))
        digests = Digests()
        for path in (*(given / name).iterdir(), *(made / path for path in told["files"])):
            digests.of(path)
        told["read"] = digests.seen
        Ledger(made, {}).path(name).write_text(json.dumps(told))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target)
