"""`cmrseg predict --report`: on by default where a report may lie, in words where it may not."""

import json
import os
import signal
import subprocess
import sys

import pytest

from cmrseg.cli import main
from cmrseg.report.legend import ITK_SNAP, SLICER
from report.made import Page
from tiny import save, volume

LIGHT = ("--device", "cpu", "--precision", "fp32", "--mirrors", "1", "--samples", "2")


@pytest.fixture
def predict(bundles, tmp_path):
    def go(challenge, *options, out="out"):
        arguments = ["predict", challenge, str(tmp_path / "in"), str(tmp_path / out)]
        light = LIGHT if challenge == "emidec" else LIGHT[:6]
        return main.main([*arguments, "--weights", str(bundles), *light, *options])

    return go


def folder(root, count=1):
    for n in range(count):
        save(root / "in" / f"p{n}.nii.gz", volume(n))


def socket(root):
    slug = "delayed-enhancement-mri"
    save(root / "in" / "images" / slug / "8b1f.mha", volume(3))
    told = [{"socket": {"slug": slug}}]
    (root / "in" / "inputs.json").write_text(json.dumps(told))


def test_a_folder_gets_a_report_unless_it_is_declined(predict, tmp_path):
    folder(tmp_path)
    assert predict("emidec") == 0
    shown = Page((tmp_path / "out/report.html").read_text(encoding="utf-8"))
    assert shown.cases == ["p0"]
    assert (tmp_path / "out/report/p0.png").is_file()
    assert (tmp_path / "out" / SLICER).is_file()
    assert (tmp_path / "out" / ITK_SNAP).is_file()
    (case,) = json.loads((tmp_path / "out/summary.json").read_text(encoding="utf-8"))["cases"]
    assert 0 < case["timings_s"]["report"] < case["timings_s"]["total"]
    assert predict("emidec", "--no-report", out="bare") == 0
    assert not [path for path in (tmp_path / "bare").rglob("*") if "report" in path.name]


def test_label_files_tell_the_values_that_were_written(predict, tmp_path):
    folder(tmp_path)
    assert predict("mnms2", "--labels", "rv1") == 0
    lines = (tmp_path / "out" / SLICER).read_text(encoding="utf-8").splitlines()
    assert [line.split()[:2] for line in lines if line[0] != "#"] == [
        ["0", "background"],
        ["1", "RV"],
    ]


def test_sockets_get_none_and_asking_for_one_is_refused_in_words(predict, tmp_path, capsys):
    socket(tmp_path)
    assert predict("emidec") == 0
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert names == {"output.mha", "results.json"}
    assert predict("emidec", "--report", out="again") == 2
    error = capsys.readouterr().err
    assert "--report: contract 'grand-challenge' is one case a call" in error
    assert predict("emidec", "--no-report", out="third") == 0


def test_resuming_with_a_report_lists_what_was_done_without_one(predict, tmp_path):
    folder(tmp_path, 2)
    assert predict("emidec", "--no-report") == 0
    assert predict("emidec", "--resume") == 0
    shown = Page((tmp_path / "out/report.html").read_text(encoding="utf-8"))
    assert set(shown.cases) == {"p0", "p1"}
    assert shown.text.count("There is no picture of this case") == 2


def test_shards_write_pages_of_their_own_and_a_last_run_gathers_them(predict, tmp_path):
    folder(tmp_path, 3)
    for shard in ("1/2", "2/2"):
        assert predict("emidec", "--shard", shard, "--resume") == 0
    pages = sorted(path.name for path in (tmp_path / "out").glob("*.html"))
    assert pages == ["report-1of2.html", "report-2of2.html"]
    assert predict("emidec", "--resume") == 0
    assert len(Page((tmp_path / "out/report.html").read_text(encoding="utf-8")).cases) == 3


def test_a_run_that_is_terminated_leaves_the_report_of_what_it_did(bundles, tmp_path):
    """A real SIGTERM, when the second case begins."""
    folder(tmp_path, 3)
    script = (
        "import os, signal, sys\n"
        "from cmrseg.cases.base import FileContract\n"
        "from cmrseg.cases.ledger import Ledger\n"
        "from cmrseg.cli import main\n"
        "done, seen = Ledger.done, []\n"
        "def second(self, case):\n"
        "    seen.append(case)\n"
        "    if len(seen) == 2:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return done(self, case)\n"
        "Ledger.done = second\n"
        "sys.exit(main.main(sys.argv[1:]))\n"
    )
    arguments = ["predict", "emidec", str(tmp_path / "in"), str(tmp_path / "out")]
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--weights", str(bundles), *LIGHT],
        env={**os.environ, "CMRSEG_DEBUG": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 128 + signal.SIGTERM
    assert Page((tmp_path / "out/report.html").read_text(encoding="utf-8")).cases == ["p0"]
    assert (tmp_path / "out/report/p0.png").is_file()
    assert not list((tmp_path / "out").glob(".cmrseg-*"))
