from __future__ import annotations

from pathlib import Path

import pytest

from cmrseg.models.bundle import Bundle
from cmrseg_lab.studies.bench.counted import TOLD, counted, loads_told


def test_networks_are_counted_and_the_bundle_is_put_back(
    weights: Path, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = Bundle.tensors
    arguments = ["predict", "mnms2", str(samples / "mnms2"), str(tmp_path)]
    assert counted([*arguments, "--weights", str(weights), "--device", "cpu"]) == (0, 2)
    assert Bundle.tensors is original
    assert "case 7: done" in capsys.readouterr().out


def test_the_number_is_found_among_other_lines() -> None:
    assert loads_told(f"a warning\n{TOLD} 12\n") == 12
