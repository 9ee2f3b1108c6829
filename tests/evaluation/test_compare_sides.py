"""Sides that are bundles: tiny untrained networks, run over the same images."""

import json

from cmrseg.cli.main import main
from cmrseg.models import ensemble
from cmrseg.runtime.errors import EXIT_OK, UsageError
from tiny import save, volume


def test_two_bundles_over_the_same_images(tmp_path, bundles, monkeypatch, capsys):
    monkeypatch.setattr(ensemble, "usual_precision", lambda device: "fp32")
    for number, case in enumerate(("Case_P001", "Case_N002")):
        save(tmp_path / "in" / case / "Images" / f"{case}.nii.gz", volume(number))
    arguments = ["emidec", str(bundles), str(bundles), str(tmp_path / "out")]
    assert main(["compare", *arguments]) == UsageError.exit_code
    assert "A is a weights bundle. say with --images" in capsys.readouterr().err
    more = ["--images", str(tmp_path / "in"), "--device", "cpu", "--names", "one", "same"]
    assert main(["compare", *arguments, *more]) == EXIT_OK
    said = capsys.readouterr().out
    assert "100.00" in said
    table = [line for line in said.splitlines() if not line.startswith("case ")]
    assert not any(" to " in line for line in table)  # two cases have no interval
    manifest = json.loads((bundles / "emidec" / "manifest.json").read_text())
    sources = ", ".join(manifest["networks"][0]["training"]["sources"])
    assert f"learned from {sources}" in (tmp_path / "out" / "comparison.md").read_text()
