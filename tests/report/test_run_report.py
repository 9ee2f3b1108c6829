"""A report beside the masks: of every run, whatever became of the cases, never at their cost."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from cases.tools import image, save, threshold, tree
from cmrseg.cases.case import Case, Result
from cmrseg.cases.detect import open_contract
from cmrseg.cases.ledger import Ledger
from cmrseg.cases.staging import OutputGoneError
from cmrseg.models.bundle import Bundle
from cmrseg.report import page as page_module
from cmrseg.report import run_report as report_module
from cmrseg.report.run_report import RunReport
from cmrseg.run import batch
from cmrseg.runtime.errors import EXIT_OK, EXIT_PARTIAL, InputError, OutputError
from report.made import Page

DIGEST = "ab" * 32
PAGE_FILES = ["details.csv", "labels-itksnap.txt", "labels.ctbl", "report.html"]


def put(folder, *names):
    for seed, name in enumerate(names):
        save(folder / name / "Images" / f"{name}.nii.gz", seed)
    return folder


def opened(source, out, *, resume=False, report=True, challenge="emidec"):
    contract = open_contract(challenge, source, out)
    contract.ledger = Ledger(out, {"bundle": DIGEST}, resume)
    contract.ledger.open()
    if report:
        weights = Bundle(out, {"challenge": challenge, "networks": []}, DIGEST)
        contract.report = RunReport(output_dir=out, code=contract.code, weights=weights)
    return contract


def run(contract, segment=threshold, **options):
    lines = []
    code = batch.run(contract, segment, say=lines.append, complain=lines.append, **options)
    return code, [str(line) for line in lines]


def page(out, name="report.html"):
    return Page((out / name).read_text(encoding="utf-8"))


def told(out):
    return {
        c["case"]: c
        for c in json.loads((out / "summary.json").read_text(encoding="utf-8"))["cases"]
    }


def test_a_run_leaves_a_page_a_picture_a_case_and_label_descriptions(tmp_path):
    source, out = put(tmp_path / "in", "Case_P1", "Case_N2"), tmp_path / "out"
    assert run(opened(source, out))[0] == EXIT_OK
    files = [name for name in tree(out) if not name.startswith(".")]
    assert [name for name in files if "/" not in name] == [
        *PAGE_FILES,
        "summary.csv",
        "summary.json",
    ]
    assert told(out)["Case_P1"]["masks"] == {"LGE": "Case_P1/Contours/Case_P1.nii.gz"}
    pictures = [name for name in files if name.startswith("report/")]
    sheets = ["report/Case_N2.png", "report/Case_P1.png"]
    leaves = [s.replace(".png", end) for s in sheets for end in (".lines.webp", ".slices.webp")]
    assert pictures == sorted([*sheets, *leaves])
    shown = page(out)
    assert set(shown.cases) == {"Case_P1", "Case_N2"}
    sources = [image["src"] for image in shown.all("img") if image.get("class") == "sheet"]
    assert sorted(sources) == sheets
    assert sum(image["src"].startswith("data:image/jpeg") for image in shown.all("img")) == 2
    assert "infarction" in (out / "labels.ctbl").read_text(encoding="utf-8")
    assert all(case["timings_s"]["report"] >= 0 for case in told(out).values())
    assert DIGEST in shown.text


def test_a_failed_case_stands_on_the_page_without_a_picture(tmp_path):
    source, out = put(tmp_path / "in", "Case_P1", "Case_P2"), tmp_path / "out"
    assert run(opened(source, out))[0] == EXIT_OK
    save(source / "Case_P2/Images/Case_P2.nii.gz", 5)

    def second_fails(case):
        if case.id == "Case_P2":
            raise InputError("the image is constant", "give another")
        return threshold(case)

    assert run(opened(source, out), second_fails)[0] == EXIT_PARTIAL
    assert page(out).cases == ["Case_P2", "Case_P1"]
    assert "the image is constant. give another." in page(out).text
    assert [n for n in tree(out) if n.endswith(".png")] == ["report/Case_P1.png"]


def test_a_resumed_run_lists_what_was_done_before(tmp_path):
    source, out = put(tmp_path / "in", "Case_P1"), tmp_path / "out"
    run(opened(source, out))
    before = (out / "report/Case_P1.png").stat().st_mtime_ns
    put(tmp_path / "in", "Case_P1", "Case_P2")
    asked = []
    code, _ = run(
        opened(source, out, resume=True), lambda case: (asked.append(case.id), threshold(case))[1]
    )
    assert (code, asked) == (EXIT_OK, ["Case_P2"])
    assert set(page(out).cases) == {"Case_P1", "Case_P2"}
    assert (out / "report/Case_P1.png").stat().st_mtime_ns == before


def test_each_shard_has_a_page_and_a_last_run_gathers_them(tmp_path):
    source, out = put(tmp_path / "in", "Case_P1", "Case_P2", "Case_P3"), tmp_path / "out"
    for number in (1, 2):
        contract = opened(source, out)
        contract.summary_stem = f"summary-{number}of2"
        run(contract, shard=batch.Shard(number, 2))
    assert set(page(out, "report-1of2.html").cases) == {"Case_P1", "Case_P3"}
    assert page(out, "report-2of2.html").cases == ["Case_P2"]
    assert not (out / "report.html").exists()
    code, lines = run(opened(source, out, resume=True))
    assert code == EXIT_OK
    assert sum("done before" in line for line in lines) == 3
    assert set(page(out).cases) == {"Case_P1", "Case_P2", "Case_P3"}
    assert sum(i.get("class") == "sheet" for i in page(out).all("img")) == 3


def test_a_large_cohort_has_several_pages_and_a_smaller_one_leaves_none_behind(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(page_module, "CASES_A_PAGE", 2)
    source, out = put(tmp_path / "in", "Case_P1", "Case_P2", "Case_P3"), tmp_path / "out"
    run(opened(source, out))
    first, second = page(out), page(out, "report.2.html")
    assert len(first.cases) == 2
    assert {*first.cases, *second.cases} == {"Case_P1", "Case_P2", "Case_P3"}
    assert "report.2.html" in {link.get("href") for link in first.all("a")}
    assert "report.html" in {link.get("href") for link in second.all("a")}
    monkeypatch.setattr(page_module, "CASES_A_PAGE", 3)
    run(opened(source, out))
    assert len(page(out).cases) == 3
    assert not (out / "report.2.html").exists()


def test_a_run_that_is_ended_leaves_a_page_of_what_it_has_done(tmp_path):
    source, out = put(tmp_path / "in", "Case_P1", "Case_P2"), tmp_path / "out"

    def ended(case):
        if case.id == "Case_P2":
            raise SystemExit(143)  # what cmrseg turns SIGTERM into
        return threshold(case)

    with pytest.raises(SystemExit):
        run(opened(source, out), ended)
    assert page(out).cases == ["Case_P1"]


def broken(*_, **__):
    raise ZeroDivisionError("/data/doe.nii.gz")


def test_a_picture_that_cannot_be_drawn_costs_no_mask(tmp_path, monkeypatch):
    source, out = put(tmp_path / "in", "Case_P1"), tmp_path / "out"
    run(opened(source, out))
    monkeypatch.setattr(report_module, "case_sheet", broken)
    code, lines = run(opened(source, out))
    assert code == EXIT_OK
    assert (out / "Case_P1/Contours/Case_P1.nii.gz").is_file()
    (warning,) = told(out)["Case_P1"]["warnings"]
    assert "no picture of this case (an internal error, ZeroDivisionError" in warning
    assert not any("doe" in line for line in lines)
    assert not (out / "report/Case_P1.png").exists(), "the earlier one showed another mask"
    assert "There is no picture of this case" in page(out).text


def test_a_picture_that_does_not_fit_the_disk_costs_no_mask(tmp_path, monkeypatch):
    source, out = put(tmp_path / "in", "Case_P1"), tmp_path / "out"
    deliver = report_module.deliver

    def full(pieces, output_dir):
        if any(piece.what == "picture" for piece in pieces):
            raise OutputGoneError("the disk of the output folder is full", "free some space")
        deliver(pieces, output_dir)

    monkeypatch.setattr("cmrseg.cases.base.deliver", full)
    code, lines = run(opened(source, out))
    assert code == EXIT_OK
    assert (out / "Case_P1/Contours/Case_P1.nii.gz").is_file()
    assert any("the disk of the output folder is full" in line for line in lines)
    assert page(out).cases == ["Case_P1"]


@pytest.mark.parametrize("problem", [broken, OutputError("it is read-only", "mount it writable")])
def test_a_page_that_cannot_be_written_is_a_warning_and_no_old_one_stays(
    tmp_path, monkeypatch, problem
):
    source, out = put(tmp_path / "in", "Case_P1"), tmp_path / "out"
    run(opened(source, out))

    def fails(*_):
        if isinstance(problem, Exception):
            raise problem
        problem()

    monkeypatch.setattr(report_module, "run_pages", fails)
    code, lines = run(opened(source, out))
    assert code == EXIT_OK
    assert any(line.startswith("warning: there is no report") for line in lines)
    assert not (out / "report.html").exists()
    assert (out / "summary.json").is_file()


def test_a_run_without_a_report_leaves_none_of_an_earlier_one(tmp_path):
    source, out = put(tmp_path / "in", "Case_P1"), tmp_path / "out"
    run(opened(source, out))
    run(opened(source, out, report=False))
    assert not [name for name in tree(out) if "report" in name]
    assert "report" not in told(out)["Case_P1"]["timings_s"]


def test_masks_are_the_same_with_and_without_a_report(tmp_path):
    source = put(tmp_path / "in", "Case_P1")
    for name, report in (("with", True), ("without", False)):
        run(opened(source, tmp_path / name, report=report))
    one, other = (
        (tmp_path / name / "Case_P1/Contours/Case_P1.nii.gz").read_bytes()
        for name in ("with", "without")
    )
    assert one == other


@pytest.mark.parametrize(
    "name", ["a b#%?&'\u00e4", "n" * 230, b"not \xe4 text".decode("utf-8", "surrogateescape")]
)
def test_odd_names_lead_to_their_pictures(tmp_path, name):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    plain = tmp_path / "a.nii.gz"
    save(plain)
    shutil.move(plain, source / f"{name}.nii.gz")
    assert run(opened(source, out))[0] == EXIT_OK
    (picture,) = [n for n in tree(out) if n.endswith(".png")]
    (sheet,) = [i["src"] for i in page(out).all("img") if i.get("class") == "sheet"]
    from urllib.parse import unquote_to_bytes

    assert (out / unquote_to_bytes(sheet).decode("utf-8", "surrogateescape")).is_file()
    assert (out / picture).is_file()


def test_what_quality_control_expects_is_drawn_and_never_written(tmp_path):
    source, out = put(tmp_path / "in", "Case_P1"), tmp_path / "out"

    def expecting(case):
        result = threshold(case)
        mask = result.predictions["LGE"].mask
        shifted = mask.like(np.roll(mask.array, 2, axis=2))
        found = replace(result.predictions["LGE"], expected=lambda: shifted)
        return replace(result, predictions={"LGE": found})

    run(opened(source, out))
    plain = (out / "report/Case_P1.png").read_bytes()
    files = tree(out)
    run(opened(source, out), expecting)
    assert tree(out) == files
    assert len((out / "report/Case_P1.png").read_bytes()) > len(plain)


def test_no_file_of_the_page_names_a_folder_of_this_machine(tmp_path):
    source, out = put(tmp_path / "in", "Case_P1"), tmp_path / "out"
    run(opened(source, out))
    assert not re.search(
        re.escape(str(tmp_path)), (out / "report.html").read_text(encoding="utf-8")
    )


def test_a_single_file_holds_its_pictures(tmp_path):
    source, out = put(tmp_path / "in", "Case_P1"), tmp_path / "out"
    contract = opened(source, out)
    contract.report = replace(contract.report, single_file=True, command="cmrseg predict")
    run(contract)
    shown = page(out)
    (viewer,) = [div for div in shown.all("div") if div.get("class") == "viewer"]
    sources = [*(i["src"] for i in shown.all("img")), viewer["data-slices"], viewer["data-lines"]]
    assert all(one.startswith("data:image/") for one in sources)
    assert len(sources) == 4
    assert "cmrseg predict" in shown.text


def test_a_picture_is_the_same_for_the_same_case(tmp_path):
    weights = Bundle(tmp_path, {"challenge": "emidec", "networks": []}, DIGEST)
    source = put(tmp_path / "in", "Case_P1")
    contract = open_contract("emidec", source, tmp_path / "out")
    drawer = RunReport(output_dir=tmp_path / "out", code=contract.code, weights=weights)
    (case,) = contract.cases()
    result: Result = threshold(case)
    images = {"LGE": image(0)}
    assert isinstance(case, Case)
    one, other = (drawer.picture(case, result, images)[1] for _ in range(2))
    assert [piece.content for piece in one] == [piece.content for piece in other]
