"""Commands in README and site: marked blocks run on the sample cases, all others parse.

A fenced ``sh`` or ``python`` block after the line ``<!-- run -->`` runs here, block after block of
a page in one folder, with bundles of tiny networks.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

import cmrseg.cli.main
import cmrseg_lab.cli.main
from cmrseg_lab.training.pack import pack, record_quality
from judging_tools import ALWAYS
from tiny import make_autoencoder, make_checkpoint, quality_entry

ROOT = Path(__file__).parents[2]
SITE = ROOT / "docs" / "site"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(SITE.rglob("*.md"))]
MARKED = re.compile(r"^<!-- run -->\n```(sh|python)\n(.*?)^```$", re.M | re.S)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
PROGRAMS = {"cmrseg": cmrseg.cli.main, "cmrseg-lab": cmrseg_lab.cli.main}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def commands(block: str) -> list[list[str]]:
    """The words of each line, continued lines joined, comments and shell arithmetic away."""
    text = re.sub(r"\$\(\(.*?\)\)/\$\w+", "1/2", block.replace("\\\n", " "))
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Tiny networks of both recipes; the short axis has quality control."""
    folder = tmp_path_factory.mktemp("weights")
    for challenge, recipes in {"emidec": ("emidec",), "mnms2": ("mnms2-sa", "mnms2-la")}.items():
        paths = [make_checkpoint(folder / "runs" / r, r, seed=3) for r in recipes]
        if challenge == "mnms2":
            paths.append(make_autoencoder(folder / "runs" / "qc", "mnms2-sa-qc"))
        out = pack(challenge, paths, folder / challenge)
    record_quality(out, "mnms2-sa", quality_entry(SA_ED=ALWAYS, SA_ES=ALWAYS), None)
    return folder


@pytest.fixture
def checkout(weights, tmp_path, monkeypatch):
    """A folder where the samples lie as they do in a clone; the first case of each is enough."""
    second = shutil.ignore_patterns("Case*P002*", "002", "*.py")
    shutil.copytree(ROOT / "tests/samples", tmp_path / "tests/samples", ignore=second)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CMRSEG_WEIGHTS", str(weights))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return tmp_path


@pytest.mark.parametrize(
    "page", [p for p in PAGES if MARKED.search(p.read_text(encoding="utf-8"))], ids=name
)
def test_marked_blocks_run(page, checkout):
    names: dict[str, object] = {"__name__": "snippet"}
    for kind, block in MARKED.findall(page.read_text(encoding="utf-8")):
        if kind == "python":
            exec(compile(block, name(page), "exec"), names)
            assert names.get("code", 0) == 0
            continue
        for program, *arguments in commands(block):
            try:
                code = PROGRAMS[program].main(arguments)
            except SystemExit as ended:  # --version
                code = ended.code
            assert code == 0, arguments


def test_the_notebook_runs(checkout):
    cells = json.loads((SITE / "tutorials/notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {"__name__": "notebook"}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert names["code"] == 0


@pytest.mark.parametrize(
    "page", [p for p in PAGES if "cmrseg" in p.read_text(encoding="utf-8")], ids=name
)
def test_every_command_parses(page):
    for block in SHELL.findall(page.read_text(encoding="utf-8")):
        for words in commands(block):
            for program, module in PROGRAMS.items():
                start = [i for i, w in enumerate(words[:7]) if Path(w).name == program]
                if not start or words[0] in ("docker/build.sh", "docker", "export", "eval"):
                    continue
                arguments = words[start[-1] + 1 :]
                if not {"--version", "--help"} & set(arguments):
                    module.parser().parse_args(arguments)
