"""The whole page from small bundles: whole, honest about who was scored, and nameless."""

import csv
import re

import pytest

from cmrseg.models import bundle
from cmrseg.quality.uncertainty import conformal, trust
from cmrseg.recipes.emidec_rules import Rule
from cmrseg.runtime.errors import EXIT_OK, UsageError
from cmrseg_lab.cli import main
from cmrseg_lab.studies.emidec_paper import panels, trusted
from cmrseg_lab.studies.emidec_paper.emidec import reproduce
from cmrseg_lab.training.calibration import emidec_rule_search
from cmrseg_lab.training.calibration.emidec_out_of_fold import RunSettings
from emidec_data import held, make_bundle, make_data

PATIENTS = 13
FOLDS, BASELINE = (0, 1, 2, 3), (0, 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduce")
    make_data(folder / "data", PATIENTS)
    make_bundle(folder / "proposed", PATIENTS, FOLDS)
    make_bundle(folder / "baseline", PATIENTS, BASELINE, seed=1)
    return folder


@pytest.fixture(scope="module")
def out(place):
    """What the command writes."""
    few = {"one_ring": [Rule.of("one_ring", least_share=1.0)]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emidec_rule_search, "CHOICES", few)
        for module in (conformal, trusted, trust):  # eleven patients in four parts
            patch.setattr(module, "FEWEST", 3)
        options = ["--mirrors", "1", "--samples", "2", "--device", "cpu", "--precision", "fp32"]
        weights = ["--weights", str(place / "proposed"), "--baseline", str(place / "baseline")]
        told = [str(place / "data"), str(place / "out"), *weights, *options, "--commit", "abc123"]
        told += ["--note", "They differ in hats."]
        assert main.main(["reproduce", "emidec", *told]) == EXIT_OK
    return place / "out"


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_all_that_the_page_links_to_is_there(out):
    page = (out / "README.md").read_text()
    linked = set(re.findall(r"\]\(([^)]+)\)", page))
    assert {"table1.csv", "table2.csv", "comparison.csv", "positions.csv"} <= linked
    pictures = {"positions", "reliability", "risk_coverage", "agreement", "panels"}
    assert {f"{name}.png" for name in pictures} <= linked
    for name in linked:
        assert (out / name).stat().st_size > 0
    assert all((out / f"{n}.png").read_bytes().startswith(b"\x89PNG") for n in pictures)


def test_what_else_differs_is_said_beside_the_comparison(out):
    page = (out / "README.md").read_text()
    assert "\n\nThey differ in hats.\n\n" in page
    assert "of 9 claims" in page


def test_verdicts_are_told_of_patients_as_they_are_and_in_another_style(out):
    rows = read(out / "verdicts.csv")
    titles = [row[0] for row in rows[1:]]
    assert titles == [f"{shown}, {how}" for shown in ("as they are", "magnitude")
                      for how in ("in range", "flagged")]  # fmt: skip
    counts = [int(row[1]) for row in rows[1:]]
    held_out = sum(len(held(PATIENTS, fold)) for fold in FOLDS)
    assert counts[0] + counts[1] == counts[2] + counts[3] == held_out


def test_every_table_names_bundles_commit_and_command(place, out):
    page = (out / "README.md").read_text()
    tables = page.count("</sub>")
    assert tables == 8
    for name in ("proposed", "baseline"):
        digest = bundle.load(place / name, "emidec").digest[:12]
        assert page.count(digest) == tables + 1
    assert page.count("code abc123") == tables
    command = (
        "cmrseg-lab reproduce emidec data out --weights proposed --baseline baseline --mirrors 1"
    )
    assert page.count(command) == tables
    assert str(place) not in page


def test_patients_are_those_each_bundle_held_out_and_have_no_names(out):
    rows = [dict(zip(read(out / "patients.csv")[0], r, strict=True))
            for r in read(out / "patients.csv")[1:]]  # fmt: skip
    proposed = {name for fold in FOLDS for name in held(PATIENTS, fold)}
    both = {name for fold in BASELINE for name in held(PATIENTS, fold)}
    methods = [row["method"] for row in rows]
    assert (methods.count("proposed"), methods.count("baseline")) == (len(proposed), len(both))
    assert {row["fold"] for row in rows if row["method"] == "baseline"} == {"0", "1"}
    published = [p for p in out.iterdir() if p.is_file()]
    for path in published:
        assert b"Case_" not in path.read_bytes(), path.name
    assert (out / "work/.gitignore").read_text() == "*\n"


def test_table_1_has_the_papers_rows_and_ours(out):
    header, *lines = read(out / "table1.csv")
    titles = [line[0] for line in lines]
    assert titles[:2] == [f"paper, {n} (hidden test set, 50)" for n in ("baseline", "proposed")]
    both = sum(len(held(PATIENTS, fold)) for fold in BASELINE)
    assert titles[2:4] == [
        f"ours, {n} ({both} held-out patients)" for n in ("baseline", "proposed")
    ]
    assert lines[1][header.index("MI DSC (%)")] == "67.6 (28.8)"
    assert all(cell != "-" for line in lines[2:] for cell in line)


def test_table_2_tells_rules_apart(out):
    titles = [line[0] for line in read(out / "table2.csv")[1:]]
    assert titles[-2:] == ["ours, proposed, out of fold", "ours, proposed, out of fold, with rules"]


def test_without_a_baseline_the_comparison_is_left_out(place, monkeypatch):
    page = reproduce_again(place, monkeypatch, baseline=None)
    text = (page.out / "README.md").read_text()
    assert "Does the paper's claim" not in text
    assert not (page.out / "comparison.csv").exists()


def test_bundles_without_a_patient_in_common_are_refused(place, monkeypatch):
    other = make_bundle(place / "elsewhere", PATIENTS, [4])
    with pytest.raises(UsageError, match="no patient in common"):
        reproduce_again(place, monkeypatch, baseline=other)


def reproduce_again(place, monkeypatch, baseline):
    """One fold, without the panels that the page's own test draws."""
    monkeypatch.setattr(panels, "save_panels", lambda bundles, effort, path: path.touch())
    effort = RunSettings(mirrors=1, samples=2, device="cpu", precision="fp32")
    few = make_bundle(place / "few", PATIENTS, [0])
    return reproduce(place / "data", place / "out2", weights=few, baseline=baseline, effort=effort)
