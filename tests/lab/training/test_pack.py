"""Packing: what is stored, what is refused, and a card that says what it must."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cmrseg.models import bundle
from cmrseg.models.bundle import CARD
from cmrseg.models.unet import UNet
from cmrseg.runtime.errors import InputError, OutputError
from cmrseg_lab.training import checkpoint
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
    assert training["precision"] == "fp32"
    assert found.manifest["commit"] == "abc"
    assert set(found.manifest["data"]) == {"acdc", "synthetic"}
    assert list(out.parent.iterdir()) == [out]


def retold(path, folder, weights=None, *, about=None, **state):
    """A copy of a checkpoint that tells something else."""
    folder.mkdir()
    told = {**checkpoint.read_state(path), **state}
    told["about"] |= about or {}
    tensors = weights or checkpoint.network_weights(path)
    checkpoint.save_weights(folder / path.name, tensors, told)
    return folder / path.name


def test_snapshots_are_candidates_and_say_how_they_were_chosen(tmp_path):
    last = make_checkpoint(tmp_path / "run", "mnms2-sa", seed=4)
    aside = {"choose_fold": 1, "choosers": ["003"], "configuration": "bn2-compact"}
    paths = [
        retold(
            last,
            tmp_path / f"best-{rank}",
            about=aside,
            step=step,
            snapshot={"rank": rank, "of": 3, "dice": dice},
        )
        for rank, step, dice in ((1, 4, 0.8751), (2, 6, 0.8702))
    ]
    other = make_checkpoint(tmp_path / "other", "mnms2-sa", seed=5)
    out = pack("mnms2", [*paths, other], tmp_path / "mnms2")
    found = bundle.load(out, "mnms2")
    assert [n["file"] for n in found.networks] == [
        "mnms2-sa-fold0-seed4-4steps.safetensors",
        "mnms2-sa-fold0-seed4-6steps.safetensors",
        "mnms2-sa-fold0-seed5.safetensors",
    ]
    first, second, plain = (n["training"] for n in found.networks)
    assert first["snapshot"] == {"rank": 1, "of": 3, "dice": 0.8751}
    assert (first["choose_fold"], first["configuration"]) == (1, "bn2-compact")
    assert second["steps_done"] == 6
    assert "snapshot" not in plain
    assert "choosers" not in first, "patients are not named"
    card = (out / CARD).read_text()
    told = (
        "- mnms2-sa-fold0-seed4-4steps.safetensors: snapshot 1 of 3, chosen by its mean "
        "Dice of 0.875 on the patients of fold 1, from whom it never learned."
    )
    assert told in card
    assert "snapshot 2 of 3" in card
    assert card.count("snapshot") == 2


def test_configurations_of_one_fold_and_seed_are_told_apart(tmp_path):
    last = make_checkpoint(tmp_path / "run", "mnms2-sa")
    paths = [
        retold(last, tmp_path / f"{name}-{step}", about={"configuration": name}, step=step)
        for name, step in (("compact", 6), ("bn2-compact", 4), ("bn2-compact", 6))
    ]
    found = bundle.load(pack("mnms2", paths, tmp_path / "mnms2"), "mnms2")
    assert [n["file"] for n in found.networks] == [
        "mnms2-sa-fold0-seed0-compact.safetensors",
        "mnms2-sa-fold0-seed0-bn2-compact-4steps.safetensors",
        "mnms2-sa-fold0-seed0-bn2-compact-6steps.safetensors",
    ]


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
