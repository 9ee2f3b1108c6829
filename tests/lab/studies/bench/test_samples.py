from __future__ import annotations

from pathlib import Path

import pytest

from cmrseg.cases.case import Case, ImageSource
from cmrseg.cases.detect import open_contract
from cmrseg.imaging.read import read
from cmrseg.runtime.errors import InputError
from cmrseg_lab.studies.bench.samples import copies
from cmrseg_lab.synthetic.synthesize import sample_case


@pytest.mark.parametrize("challenge", ["emidec", "mnms2"])
def test_copies_are_cases_of_the_same_layout(challenge: str, samples: Path, tmp_path: Path) -> None:
    case = sample_case(challenge, samples, tmp_path)  # type: ignore[arg-type]
    folder = copies(challenge, case, 3, tmp_path / "many")  # type: ignore[arg-type]
    contract = open_contract(challenge, folder, tmp_path / "out")  # type: ignore[arg-type]
    found = list(contract.cases())
    assert len({c.id for c in found}) == 3
    for copy in found:
        assert not copy.warnings
        assert copy.images.keys() == case.images.keys()
        for role, source in copy.images.items():
            assert source.path.read_bytes() == case.images[role].path.read_bytes()


def test_copies_may_differ_in_size(samples: Path, tmp_path: Path) -> None:
    case = sample_case("emidec", samples, tmp_path)
    folder = copies("emidec", case, 3, tmp_path / "sizes", trimmed=2)
    found = [
        read(one.images["LGE"].path)
        for one in open_contract("emidec", folder, tmp_path / "o").cases()
    ]
    z, y, x = read(case.images["LGE"].path).array.shape
    assert [one.array.shape for one in found] == [(z, y - 4 * n, x - 4 * n) for n in range(3)]


def test_other_formats_are_refused(tmp_path: Path) -> None:
    case = Case("1", {"LGE": ImageSource(tmp_path / "a.mha")}, "case 1")
    with pytest.raises(InputError, match="LGE"):
        copies("emidec", case, 1, tmp_path)
