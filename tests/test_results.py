"""The committed tables are those of the committed bundles."""

from pathlib import Path

import pytest

from cmrseg.models import bundle

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("challenge", ["emidec", "mnms2"])
def test_the_page_of_results_names_the_bundle_that_is_here(challenge):
    digest = bundle.load(ROOT / "weights" / challenge, challenge).digest[:12]
    page = (ROOT / "docs" / "results" / challenge / "README.md").read_text(encoding="utf-8")
    assert digest in page, "run `cmrseg reproduce` again (see the Makefile)"
