"""Networks as ONNX say what they say here."""

import json

import pytest

import tiny
from cmrseg.models import bundle
from cmrseg.runtime.errors import CmrsegError
from cmrseg_lab.cli import main
from cmrseg_lab.training import export_onnx
from cmrseg_lab.training.pack import pack
from tiny import make_autoencoder, make_bundles, make_checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Both views and an autoencoder."""
    folder = tmp_path_factory.mktemp("whole")
    qc = make_autoencoder(folder / "qc", "mnms2-sa-qc")
    return pack("mnms2", [qc], folder / "mnms2", keep=make_bundles(folder / "w") / "mnms2")


@pytest.mark.parametrize("challenge", ["emidec", "mnms2"])
def test_every_network_is_written_and_agrees(tmp_path, bundles, whole, challenge):
    found = bundle.load(whole if challenge == "mnms2" else bundles / challenge, challenge)
    arguments = ["export-onnx", challenge, str(tmp_path), "--weights", str(found.folder)]
    assert main.main(arguments) == 0
    page = json.loads((tmp_path / "networks.json").read_text())
    assert page["bundle"] == found.digest
    assert [n["recipe"] for n in page["networks"]] == [n["recipe"] for n in found.networks]
    for network in page["networks"]:
        assert (tmp_path / network["file"]).stat().st_size > 0
        assert network["checked"]["largest_difference"] < 1e-4
        assert network["checked"].get("dice", 1.0) == 1.0
    assert (tmp_path / "README.md").exists()


def test_the_other_phase_is_a_second_channel(tmp_path, monkeypatch):
    usual = tiny.segmenter_preset
    monkeypatch.setattr(tiny, "segmenter_preset", lambda recipe: usual(recipe, channels=2))
    path = make_checkpoint(tmp_path / "run", "mnms2-sa")
    made = pack("mnms2", [path], tmp_path / "mnms2")
    (told,) = export_onnx.export_onnx(bundle.load(made, "mnms2"), tmp_path / "onnx")
    assert told["input"]["shape"][1] == len(told["input"]["channels"]) == 2
    assert told["checked"]["dice"] == 1.0


def test_a_difference_is_told(tmp_path, bundles, monkeypatch):
    run = export_onnx._run
    monkeypatch.setattr(export_onnx, "_run", lambda path, x: run(path, x) + 0.01)
    with pytest.raises(CmrsegError, match="differs"):
        export_onnx.export_onnx(bundle.load(bundles / "emidec", "emidec"), tmp_path)
