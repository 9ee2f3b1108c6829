"""What is done is left out; what changed, is missing or failed is done again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cmrseg
from cmrseg.cases.case import Case, ImageSource
from cmrseg.cases.detect import open_contract
from cmrseg.cases.ledger import FOLDER, Digests, Ledger
from cmrseg.models.bundle import sha256
from cmrseg.run.batch import run
from cmrseg.runtime.errors import InputError, OutputError

from .tools import save, threshold, tree

CASES = ("Case_1", "Case_2", "Case_3")


@pytest.fixture
def go(tmp_path):
    """A run over EMIDEC folders that tells which cases were computed, and its exit code."""
    for seed, case in enumerate(CASES):
        save(tmp_path / f"in/{case}/Images/{case}.nii.gz", seed)

    def again(*, resume=True, bad=(), settings=None):
        contract = open_contract("emidec", tmp_path / "in", tmp_path / "out")
        contract.ledger = Ledger(tmp_path / "out", settings or {"bundle": "1"}, resume)
        contract.ledger.open()
        computed = []

        def segment(case):
            computed.append(case.id)
            if case.id in bad:
                raise InputError("LGE: the image is bad", "mend it")
            return threshold(case)

        code = run(contract, segment, say=lambda line: None, complain=lambda line: None)
        return computed, code

    return again


def masks(out):
    return [name for name in tree(out) if name.endswith(".nii.gz") and "Contours" in name]


def told(out):
    return timeless(json.loads((out / "summary.json").read_text())["cases"])


def timeless(cases):
    """Without the seconds, which differ by those that writing takes."""
    return [{k: v for k, v in case.items() if k not in ("seconds", "timings_s")} for case in cases]


def test_what_is_done_is_not_done_again_and_stays_in_the_summary(go, tmp_path):
    assert go() == (list(CASES), 0)
    first = told(tmp_path / "out")
    before = tree(tmp_path / "out")
    assert go() == ([], 0)
    assert told(tmp_path / "out") == first
    assert tree(tmp_path / "out") == before
    assert all(case["measures"]["volume_ml"]["LGE"] > 0 for case in first)


def test_what_nobody_touched_is_not_read_again(go, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        "cmrseg.cases.ledger.sha256", lambda path: (read.append(path), sha256(path))[1]
    )
    go()
    assert len(read) == 9, "an image, a mask and a map each"
    read.clear()
    assert go() == ([], 0)
    assert read == []
    image = tmp_path / "in/Case_2/Images/Case_2.nii.gz"
    os.utime(image, (1, 1))
    assert go() == ([], 0)
    assert read == [image]
    mask = tmp_path / "out/Case_3/Contours/Case_3.nii.gz"
    status = mask.stat()
    mask.write_bytes(bytes(status.st_size))
    os.utime(mask, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert go() == (["Case_3"], 0), "same size and date, other bytes"


def test_without_resume_everything_is_computed(go):
    go()
    assert go(resume=False) == (list(CASES), 0)


def test_other_settings_make_other_results(go):
    go()
    assert go(settings={"bundle": "2"}) == (list(CASES), 0)
    assert go(settings={"bundle": "2"}) == ([], 0)


def test_a_changed_image_is_segmented_again(go, tmp_path):
    go()
    save(tmp_path / "in/Case_2/Images/Case_2.nii.gz", 9)
    assert go() == (["Case_2"], 0)


@pytest.mark.parametrize("fault", ["missing", "altered", "forgotten", "garbled"])
def test_a_result_that_is_not_whole_is_made_again(go, tmp_path, fault):
    go()
    out = tmp_path / "out"
    mask = out / "Case_2/Uncertainty/Case_2_variance.nii.gz"
    (page,) = [p for p in (out / FOLDER).iterdir() if json.loads(p.read_text())["case"] == "Case_2"]
    if fault == "missing":
        mask.unlink()
    elif fault == "altered":
        mask.write_bytes(mask.read_bytes()[:-1])
    elif fault == "forgotten":
        page.unlink()
    else:
        page.write_text('{"key": ')
    assert go() == (["Case_2"], 0)
    assert go() == ([], 0)


def test_a_failed_case_leaves_nothing_old_and_is_tried_again(go, tmp_path):
    out = tmp_path / "out"
    go()
    assert len(masks(out)) == 3
    assert go(resume=False, bad=("Case_2",)) == (list(CASES), 4)
    assert not (out / "Case_2").exists()
    assert [case["status"] for case in told(out)] == ["done", "failed", "done"]
    assert go() == (["Case_2"], 0)
    assert len(masks(out)) == 3


def test_a_failure_leaves_no_old_mask_without_an_account_either(tmp_path):
    """Where an older cmrseg wrote, and where the image itself has gone."""
    path = tmp_path / "in/Case_1/Images/Case_1.nii.gz"
    save(path)
    contract = open_contract("emidec", tmp_path / "in", tmp_path / "out")
    quiet = {"say": lambda line: None, "complain": lambda line: None}
    assert run(contract, threshold, **quiet) == 0
    assert masks(tmp_path / "out")
    path.unlink()
    assert run(contract, threshold, **quiet) == 3
    assert masks(tmp_path / "out") == []


def test_maps_that_are_no_longer_made_go(go, tmp_path, monkeypatch):
    go()
    (maps,) = {p.name for p in (tmp_path / "out/Case_1").iterdir()} - {"Contours"}
    monkeypatch.setattr("cmrseg.cases.emidec.EmidecContract.map_path", lambda *args: None)
    go(resume=False)
    assert not (tmp_path / "out/Case_1" / maps).exists()
    assert len(masks(tmp_path / "out")) == 3


def test_foreign_files_stay(go, tmp_path):
    go()
    note = tmp_path / "out/Case_2/Contours/note.txt"
    note.write_text("mine")
    go(resume=False, bad=CASES)
    assert note.read_text() == "mine"
    assert masks(tmp_path / "out") == []


def key(path, frame=None):
    ledger = Ledger(path.parent, {})
    return ledger._key(Case("a", {"LGE": ImageSource(path, frame)}, "a"), Digests())


def test_the_voxels_beside_a_header_count(tmp_path):
    header, voxels = tmp_path / "a.mhd", tmp_path / "a.raw"
    header.write_text("NDims = 3\nElementDataFile = a.raw\n")
    voxels.write_bytes(b"one")
    before = key(header)
    voxels.write_bytes(b"two")
    assert None not in (before, key(header))
    assert key(header) != before
    header.write_text("NDims = 3\nElementDataFile = a%03d.raw 1 9 1\n")
    assert key(header) is None, "never thought done"


def test_every_slice_and_the_frame_count(tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    for name in "ab":
        (folder / name).write_bytes(name.encode())
    before = key(folder)
    assert key(folder, 1) != before
    (folder / "b").write_bytes(b"c")
    assert key(folder) != before
    (folder / "b").unlink()
    assert key(folder) != before
    assert key(tmp_path / "none") is None


def pages(out):
    return {json.loads(p.read_text())["case"]: p for p in (out / FOLDER).glob("*.json")}


def rewrite(page, **changed):
    page.write_text(json.dumps(json.loads(page.read_text()) | changed))


@pytest.mark.parametrize("form", ["absolute", "upwards", "through a link"])
def test_an_edited_account_deletes_nothing_outside(go, tmp_path, form):
    go()
    out, outside = tmp_path / "out", tmp_path / "precious.txt"
    outside.write_text("mine")
    (out / "way").symlink_to(tmp_path)
    names = {
        "absolute": str(outside),
        "upwards": "../precious.txt",
        "through a link": "way/precious.txt",
    }
    rewrite(pages(out)["Case_2"], files={names[form]: "0"})
    assert go(resume=False, bad=("Case_2",)) == (list(CASES), 4)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("result", [{}, {"measures": 3}, [], None])
def test_an_edited_result_is_not_believed(go, tmp_path, result):
    go()
    rewrite(pages(tmp_path / "out")["Case_2"], result=result)
    assert go() == (["Case_2"], 0)


def test_a_nested_page_is_no_page(go, tmp_path):
    go()
    pages(tmp_path / "out")["Case_2"].write_text("[" * 200_000)
    assert go() == (["Case_2"], 0)


def test_links_in_the_output_folder_are_not_written_through(go, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/Case_2").symlink_to(elsewhere)
    assert go() == (list(CASES), 4)
    assert tree(elsewhere) == []


def test_an_account_that_is_a_link_is_refused(go, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / FOLDER).symlink_to(tmp_path)
    with pytest.raises(OutputError):
        go()


def test_a_mask_that_became_a_link_is_made_again(go, tmp_path):
    go()
    mask = tmp_path / "out/Case_2/Contours/Case_2.nii.gz"
    mask.rename(tmp_path / "moved.nii.gz")
    mask.symlink_to(tmp_path / "moved.nii.gz")
    assert go() == (["Case_2"], 0)
    assert not mask.is_symlink()


KILLED = """
import os, signal, sys
from pathlib import Path
from cmrseg.cases.case import Case
from cmrseg.cases.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), {})
ledger.open()
with ledger.under_way(Case("Case_2", {}, "case")):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_case_at_which_a_run_was_killed_is_left_out_once(go, tmp_path):
    (tmp_path / "out").mkdir()
    source = str(Path(cmrseg.__file__).parents[1])
    command = [sys.executable, "-c", KILLED, str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": source}
    assert subprocess.run(command, check=False, env=environment).returncode == -signal.SIGKILL
    assert go() == (["Case_1", "Case_3"], 4)
    (failed,) = [case for case in told(tmp_path / "out") if case["status"] == "failed"]
    assert failed["case"] == "Case_2"
    assert "killed" in failed["error"]
    assert go() == (["Case_2"], 0)


def test_a_case_that_another_run_is_at_is_not_left_out(go, tmp_path):
    go()
    ledger = Ledger(tmp_path / "out", {}, resume=True)
    case = Case("Case_2", {}, "case")
    with ledger.under_way(case):
        assert not ledger.was_killed(case)
    assert not ledger.was_killed(case), "nothing stays behind"


def test_a_pipe_has_no_digest(tmp_path):
    os.mkfifo(tmp_path / "a.nii.gz")
    assert key(tmp_path / "a.nii.gz") is None
