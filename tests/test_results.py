"""The committed tables are those of the committed bundles."""

from pathlib import Path

import pytest

from cmrseg.models import bundle
from cmrseg_lab.studies.out_of_fold import fingerprint

ROOT = Path(__file__).parents[1]
AGAIN = "make the page again: `cmrseg-lab reproduce` or `cmrseg-lab study`"


@pytest.mark.parametrize(
    ("folder", "page"), [("acdc-only/emidec", "emidec/README"), ("emidec", "contrasts")]
)
def test_the_page_of_results_names_the_bundle_that_is_here(folder, page):
    assert bundle.load(ROOT / "weights" / folder, "emidec").digest[:12] in text_of(page), AGAIN


@pytest.mark.parametrize(
    ("recipe", "page"), [("mnms2-la", "long_axis"), ("mnms2-sa", "short_axis")]
)
def test_the_page_of_a_view_names_its_networks(recipe, page):
    found = bundle.load(ROOT / "weights/mnms2", "mnms2")
    assert fingerprint(found, recipe) in text_of(page), AGAIN


def text_of(page):
    return (ROOT / "docs" / "results" / f"{page}.md").read_text(encoding="utf-8")


def test_the_folds_networks_of_both_bundles_of_emidec_are_the_same():
    """So that pages of one are of the other's folds too."""
    ours, other = (
        bundle.load(ROOT / "weights" / f, "emidec") for f in ("emidec", "acdc-only/emidec")
    )
    files = [
        {n["file"]: b.manifest["files"][n["file"]] for n in b.of("emidec")} for b in (ours, other)
    ]
    assert files[0] == files[1]
    assert ours.manifest["rules"] == other.manifest["rules"]
