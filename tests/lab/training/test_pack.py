"""Packing: what is stored, what is refused, and a card that says what it must."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cmrseg.models import bundle
from cmrseg.models.bundle import CARD, load, sha256
from cmrseg.models.unet import UNet
from cmrseg.runtime.errors import InputError, OutputError
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.held_out import digests
from cmrseg_lab.training.pack import pack, record_scores
from tiny import make_checkpoint, network_config, sample


def probabilities(weights, recipe="emidec"):
    network = UNet(network_config(recipe)).eval()
    network.load_state_dict(weights)
    image = torch.from_numpy(sample(3).image)[None, None]
    with torch.no_grad():
        return network(image)[0].softmax(dim=1).numpy()


def test_a_bundle_says_where_its_networks_come_from(tmp_path):
    paths = [
        make_checkpoint(tmp_path / "sa", "mnms2-sa", sources=["acdc", "synthetic"]),
        make_checkpoint(tmp_path / "la", "mnms2-la", fold=None, seed=7, sources=["synthetic"]),
    ]
    out = tmp_path / "weights" / "mnms2"
    assert pack("mnms2", paths, out, commit="abc") == out
    found = bundle.load(out, "mnms2")
    assert [(n["file"], n["recipe"]) for n in found.networks] == [
        ("mnms2-sa-fold0-seed0.safetensors", "mnms2-sa"),
        ("mnms2-la-all-seed7.safetensors", "mnms2-la"),
    ]
    files = [n["file"] for n in found.networks]
    assert sorted(p.name for p in out.iterdir()) == sorted([*files, CARD, "manifest.json"])
    assert set(found.manifest["files"]) == {*files, CARD}
    training = found.networks[0]["training"]
    assert training["sources"] == ["acdc", "synthetic"]
    assert (training["seed"], training["fold"], training["steps_done"]) == (0, 0, 6)
    assert found.manifest["commit"] == "abc"
    assert set(found.manifest["data"]) == {"acdc", "synthetic"}
    assert list(out.parent.iterdir()) == [out]


def test_patients_have_digests_and_no_names(tmp_path):
    path = make_checkpoint(tmp_path / "sa", "mnms2-sa", sources=["acdc"], patients=["071", "072"])
    out = pack("mnms2", [path], tmp_path / "mnms2")
    training = bundle.load(out, "mnms2").networks[0]["training"]
    assert training["trained_on"] == digests([("acdc", "071"), ("acdc", "072")])
    assert training["patients"] == 2
    assert "071" not in (out / "manifest.json").read_text()


def test_networks_of_other_recipes_are_taken_over_from_another_bundle(tmp_path):
    checkpoints = [make_checkpoint(tmp_path / r, r) for r in ("mnms2-sa", "mnms2-la")]
    older = pack("mnms2", checkpoints, tmp_path / "older")
    new = make_checkpoint(tmp_path / "new", "mnms2-la", seed=9)
    found = bundle.load(pack("mnms2", [new], tmp_path / "mnms2", keep=older), "mnms2")
    assert [n["file"] for n in found.networks] == [
        "mnms2-sa-fold0-seed0.safetensors",
        "mnms2-la-fold0-seed9.safetensors",
    ]
    kept = bundle.load(older, "mnms2").networks[0]
    assert found.networks[0] == kept
    assert found.manifest["files"][kept["file"]] == sha256(older / kept["file"])


def test_networks_of_the_same_recipe_stay_beside_the_new_one_if_asked(tmp_path):
    checkpoints = [make_checkpoint(tmp_path / r, r) for r in ("mnms2-sa", "mnms2-la")]
    older = pack("mnms2", checkpoints, tmp_path / "older")
    new = make_checkpoint(tmp_path / "new", "mnms2-sa", seed=9)
    packed = pack("mnms2", [new], tmp_path / "mnms2", keep=older, beside=True)
    found = bundle.load(packed, "mnms2")
    own = [n for n in found.networks if n["recipe"] == "mnms2-sa"]
    assert [n["file"][-19:-12] for n in own] == ["0-seed0", "0-seed9"]
    assert {n["preparation"] for n in own} == {"interior"}
    assert (packed / own[0]["file"]).is_file()


def test_half_precision_costs_next_to_nothing(tmp_path):
    path = make_checkpoint(tmp_path / "run", "emidec")
    found = bundle.load(pack("emidec", [path], tmp_path / "emidec"), "emidec")
    file = found.networks[0]["file"]
    stored = load_file(tmp_path / "emidec" / file)
    assert {v.dtype for k, v in stored.items() if k.endswith("conv.weight")} == {torch.float16}
    assert {v.dtype for k, v in stored.items() if "running" in k} == {torch.float32}
    loaded = found.tensors(file)
    assert {v.dtype for v in loaded.values()} == {torch.float32, torch.int64}
    full = probabilities(checkpoint.network_weights(path))
    half = probabilities(loaded)
    assert full.std() > 0.05
    # Untrained batch norm leaves logits of tens here, where rounding shows most.
    difference = np.abs(full - half)
    assert 0 < difference.max() < 0.01
    assert difference.mean() < 2e-4
    assert (full.argmax(axis=1) == half.argmax(axis=1)).mean() > 0.999


def test_checkpoints_of_another_challenge_or_twice_the_same_are_refused(tmp_path):
    path = make_checkpoint(tmp_path / "run", "emidec")
    with pytest.raises(InputError, match="recipe emidec does not belong in a mnms2 bundle"):
        pack("mnms2", [path], tmp_path / "out")
    with pytest.raises(InputError, match=r"two checkpoints would be called emidec-fold0-seed0"):
        pack("emidec", [path, path], tmp_path / "out")
    with pytest.raises(InputError, match="no readable checkpoint"):
        pack("emidec", [tmp_path / "none.safetensors"], tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_weights_that_are_not_finite_once_stored_are_refused(tmp_path, value):
    path = make_checkpoint(tmp_path / "run", "emidec")
    tensors = load_file(path)
    tensors["network.heads.0.weight"][0] = value
    save_file(tensors, path, metadata={"state": json.dumps(checkpoint.read_state(path))})
    with pytest.raises(InputError, match="not finite"):
        pack("emidec", [path], tmp_path / "out")


def test_only_a_bundle_is_ever_replaced(tmp_path):
    path = make_checkpoint(tmp_path / "run", "emidec")
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="no weights bundle"):
        pack("emidec", [path], home)
    assert (home / "thesis.txt").read_text() == "years of work"
    out = pack("emidec", [path], tmp_path / "emidec")
    (out / "left.over").touch()
    other = make_checkpoint(tmp_path / "other", "emidec", seed=1)
    pack("emidec", [other], out)
    assert sorted(p.name for p in out.glob("*.safetensors")) == ["emidec-fold0-seed1.safetensors"]
    assert not (out / "left.over").exists()


def test_scores_go_into_manifest_and_card(tmp_path):
    out = pack("emidec", [make_checkpoint(tmp_path / "run", "emidec")], tmp_path / "emidec")
    assert "Not measured yet." in (out / CARD).read_text()
    scores = {"cases": 16, "command": "cmrseg validate", "table": "| Dice |\n|---|\n| 0.8 |"}
    record_scores(out, scores)
    assert bundle.load(out, "emidec").manifest["scores_out_of_fold"] == scores
    card = (out / CARD).read_text()
    assert "Measured on 16 held-out cases by `cmrseg validate`." in card
    assert "| 0.8 |" in card
    assert "Not measured yet." not in card


def test_a_network_of_another_bundle_is_taken_over(tmp_path):
    old = pack("mnms2", [make_checkpoint(tmp_path / "a", "mnms2-la", seed=1)], tmp_path / "old")
    new = pack("mnms2", [make_checkpoint(tmp_path / "b", "mnms2-la", seed=2)], tmp_path / "new")
    file = load(old, "mnms2").networks[0]["file"]
    both = load(pack("mnms2", [old / file], new, keep=new, beside=True), "mnms2")
    assert len(both.networks) == 2
    assert both.manifest["files"][file] == load(old, "mnms2").manifest["files"][file]
    with pytest.raises(InputError, match="no network of a bundle"):
        pack("mnms2", [old / "other.safetensors"], tmp_path / "third")
