"""The committed tables are those of the committed bundles."""

from pathlib import Path

import pytest

from cmrseg.models import bundle

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("folder", "page"),
    [
        ("acdc-only/emidec", "emidec/README"),
        ("emidec", "contrasts"),
        ("mnms2", "long_axis"),
        ("mnms2", "short_axis"),
    ],
)
def test_the_page_of_results_names_the_bundle_that_is_here(folder, page):
    digest = bundle.load(ROOT / "weights" / folder, folder.split("/")[-1]).digest[:12]
    text = (ROOT / "docs" / "results" / f"{page}.md").read_text(encoding="utf-8")
    assert digest in text, "make the page again: `cmrseg-lab reproduce` or `cmrseg-lab study`"


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
