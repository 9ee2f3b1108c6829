"""Bundles: where they are looked for, and that no altered byte is ever used."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from setuptools import build_meta

from cmrseg.cli import main
from cmrseg.models import bundle
from cmrseg.runtime.errors import EXIT_WEIGHTS, WeightsError

USUAL_PLACES = bundle.PLACES
pytestmark = pytest.mark.usefixtures("no_usual_weights")


@pytest.fixture
def copy(bundles, tmp_path):
    """A bundle to spoil."""
    return shutil.copytree(bundles / "mnms2", tmp_path / "copy")


def rewrite(folder, **changed):
    """Change the manifest and seal it anew, as another program that packs would."""
    manifest = json.loads((folder / bundle.MANIFEST).read_text())
    (folder / bundle.MANIFEST).write_text(bundle.sealed(manifest | changed))


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_whole_bundle_is_loaded(bundles):
    found = bundle.load(bundles / "emidec", "emidec")
    assert found.manifest["format"] == bundle.FORMAT
    assert found.digest == bundle.sha256(bundles / "emidec" / bundle.MANIFEST)
    assert found.manifest["files"].keys() == {"MODEL_CARD.md", found.networks[0]["file"]}
    for name, digest in found.manifest["files"].items():
        assert bundle.sha256(bundles / "emidec" / name) == digest
    assert len(digest) == 64


def test_weights_travel_in_a_distribution_of_their_own(bundles, tmp_path, monkeypatch):
    """The wheel of ``weights/``, here with tiny networks in it, is found once it is installed."""
    source, site = tmp_path / "weights", tmp_path / "site"
    shutil.copytree(bundles, source)
    (source / "mine").mkdir()
    (source / "mine" / "secret.safetensors").write_bytes(b"of a user")
    shutil.copy(Path(bundle.__file__).parents[3] / "weights/pyproject.toml", source)
    monkeypatch.chdir(source)
    name = build_meta.build_wheel(str(tmp_path))
    with zipfile.ZipFile(tmp_path / name) as wheel:
        wheel.extractall(site)
    monkeypatch.syspath_prepend(str(site))
    for challenge in ("emidec", "mnms2"):
        assert bundle.is_there(challenge)
        assert bundle.find(challenge).folder == site / "cmrseg_weights" / challenge
    assert not list(site.rglob("secret*"))


def test_every_file_is_verified(copy):
    names = [p.name for p in copy.iterdir()]
    assert len(names) == 4
    for name in names:
        whole = (copy / name).read_bytes()
        flip_a_bit(copy / name)
        with pytest.raises(WeightsError):
            bundle.load(copy, "mnms2")
        (copy / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(WeightsError):
            bundle.load(copy, "mnms2")
        (copy / name).unlink()
        with pytest.raises(WeightsError):
            bundle.load(copy, "mnms2")
        (copy / name).write_bytes(whole)
        bundle.load(copy, "mnms2")


def test_an_edited_manifest_is_told(copy):
    path = copy / bundle.MANIFEST
    path.write_text(path.read_text().replace('"dropout": [', '"dropout": [ '))
    bundle.load(copy, "mnms2")  # what it says is the same
    path.write_text(path.read_text().replace('"fold": 0', '"fold": 1'))
    with pytest.raises(WeightsError, match=r"manifest .* was altered"):
        bundle.load(copy, "mnms2")


@pytest.mark.parametrize("text", ["", "[]", "7", "{}", '{"format": 1', "\xff", "[" * 200_000])
def test_what_is_no_manifest_is_told(copy, text):
    (copy / bundle.MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(WeightsError, match="not a bundle's manifest"):
        bundle.load(copy, "mnms2")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"format": 2}, "format 2, this cmrseg reads 1"),
        ({"challenge": "emidec"}, "is for emidec, not mnms2"),
        ({"files": {}}, "no digest for mnms2-la"),
    ],
)
def test_other_bundles_are_told_apart(copy, changed, told):
    rewrite(copy, **changed)
    with pytest.raises(WeightsError, match=told):
        bundle.load(copy, "mnms2")


def test_the_platforms_model_comes_before_the_images_own():
    assert [str(place) for place in USUAL_PLACES] == ["/opt/ml/model", "/opt/cmrseg/weights"]


def test_places_are_looked_at_in_order(bundles, tmp_path, monkeypatch):
    places = [tmp_path / name for name in ("asked", "named", "platform", "image", "checkout")]
    monkeypatch.setenv("CMRSEG_WEIGHTS", str(places[1]))
    monkeypatch.setattr(bundle, "PLACES", tuple(places[2:4]))
    monkeypatch.setattr(bundle, "CHECKOUT", places[4])
    with pytest.raises(WeightsError, match="no weights for emidec in"):
        bundle.find("emidec")
    for place in reversed(places[1:]):
        shutil.copytree(bundles / "emidec", place / "emidec")
        assert bundle.find("emidec").folder == place / "emidec"
    with pytest.raises(WeightsError, match="asked"):
        bundle.find("emidec", places[0])
    shutil.copytree(bundles / "emidec", places[0])
    assert bundle.find("emidec", places[0]).folder == places[0]
    with pytest.raises(WeightsError, match="is for emidec, not mnms2"):
        bundle.find("mnms2", places[0])


def test_the_command_ends_with_the_weights_code(copy, tmp_path, capsys):
    flip_a_bit(next(copy.glob("*sa*.safetensors")))
    for weights, told in ((copy, "was altered"), (tmp_path / "none", "no weights for mnms2 in")):
        assert main.main(["info", "mnms2", "--weights", str(weights)]) == EXIT_WEIGHTS == 6
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("cmrseg: ")
        assert told in line


def test_info_tells_the_card_and_the_bundles_identity(bundles, capsys):
    assert main.main(["info", "--weights", str(bundles)]) == 0
    told = capsys.readouterr().out
    for challenge in ("emidec", "mnms2"):
        assert bundle.sha256(bundles / challenge / bundle.MANIFEST) in told
        assert (bundles / challenge / "MODEL_CARD.md").read_text() in told


@pytest.mark.parametrize("what", ["a tarball", "a folder of another name", "a file"])
@pytest.mark.parametrize("how", ["platform", "variable"])
def test_a_filled_place_without_a_bundle_is_an_error(bundles, tmp_path, monkeypatch, what, how):
    """Else the image's own, older weights would answer."""
    filled, own = tmp_path / "model", tmp_path / "own"
    shutil.copytree(bundles / "emidec", own)
    monkeypatch.setattr(bundle, "PLACES", (filled if how == "platform" else tmp_path / "no", own))
    if how == "variable":
        monkeypatch.setenv("CMRSEG_WEIGHTS", str(filled))
    assert bundle.find("emidec").folder == own
    if what == "a file":
        filled.write_bytes(b"x")
    elif what == "a tarball":
        filled.mkdir()
        (filled / "weights.tar.gz").write_bytes(b"x")
    else:
        shutil.copytree(bundles / "emidec", filled / "my-weights")
    with pytest.raises(WeightsError, match="holds something"):
        bundle.find("emidec")


def test_weights_that_may_not_be_read_are_an_error_of_weights(tmp_path, monkeypatch):
    def locked(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", locked)
    assert not bundle.is_there("emidec", tmp_path)
    with pytest.raises(WeightsError, match="Permission denied"):
        bundle.find("emidec", tmp_path)
