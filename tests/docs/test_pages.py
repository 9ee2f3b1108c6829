"""README and site agree with what they tell of: files, scores, fields, size."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from cmrseg.cases.case import Result
from cmrseg.cases.summary import record, run_summary

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs/site").rglob("*.md"))]
FILE = re.compile(r"`((?:src|tests|docker|docs|weights)/[\w./-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_files_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    assert [path for path in FILE.findall(text) if not (ROOT / path).exists()] == []


def test_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert [path for path in links if not (ROOT / path).exists()] == []


def test_the_readme_is_short():
    assert len(README.split()) <= 1200
    assert (ROOT / "docs/site/images/report.png").stat().st_size < 300_000


def test_scores_of_the_readme_are_those_of_the_committed_weights():
    manifest = json.loads((ROOT / "weights/mnms2/manifest.json").read_text(encoding="utf-8"))
    table = manifest["scores_out_of_fold"]["table"]
    for structure in ("LV", "MYO", "RV"):
        dice = re.search(rf"\| {structure} SA \| ([\d.]+) ", table)
        assert f"{100 * float(dice[1]):.1f}" in README, structure
    with (ROOT / "docs/results/emidec/table2.csv").open(encoding="utf-8") as file:
        *_, ours = csv.reader(file)
    found = [value for value in ours if re.fullmatch(r"[\d.]+( \([\d.]+\))?", value)]
    assert {value.split(" ")[0] for value in found} >= set(
        re.findall(r"myocardium ([\d.]+), infarction ([\d.]+), no-reflow ([\d.]+)", README)[0]
    )


def test_every_field_of_a_record_is_described():
    page = (ROOT / "docs/site/reference/summary.md").read_text(encoding="utf-8")
    run = run_summary("emidec", "folder", {"a": Result()})
    assert [name for name in (*run, *record("a", Result())) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("text", ["hearts as they are", "candidate that", "mirror image", "fence"])
def test_pages_speak_the_words_of_the_field(text):
    found = [p for p in PAGES if text in p.read_text(encoding="utf-8") and p.name != "results.md"]
    assert found == []
