from __future__ import annotations

from pathlib import Path

import pytest

from cmrseg.runtime.errors import InputError
from cmrseg_lab.synthetic.synthesize import sample_case


def test_no_samples(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        sample_case("emidec", tmp_path / "nowhere", tmp_path)
