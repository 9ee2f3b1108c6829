"""The committed tables are those of the committed bundles."""

from pathlib import Path

import pytest

from cmrseg.models import bundle

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("challenge", "page"),
    [("emidec", "emidec/README"), ("mnms2", "long_axis"), ("mnms2", "short_axis")],
)
def test_the_page_of_results_names_the_bundle_that_is_here(challenge, page):
    digest = bundle.load(ROOT / "weights" / challenge, challenge).digest[:12]
    text = (ROOT / "docs" / "results" / f"{page}.md").read_text(encoding="utf-8")
    assert digest in text, "make the page again: `cmrseg-lab reproduce` or `cmrseg-lab study`"
