"""What is told of recipes and weights, for people and for programs."""

import json
import shutil

from cmrseg.cli import main
from cmrseg.cli.info import information
from cmrseg.models import bundle


def test_json_tells_recipe_weights_digests_data_and_limits(bundles, capsys):
    assert main.main(["info", "mnms2", "--json", "--weights", str(bundles)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["mnms2"]
    about, found = told["mnms2"], bundle.load(bundles / "mnms2", "mnms2")
    assert about["recipe"]["labels"] == {"1": "LV", "2": "MYO", "3": "RV"}
    assert about["recipe"]["label_options"] == ["all", "rv", "rv1"]
    assert about["bundle"]["sha256"] == found.digest
    assert about["bundle"]["files"] == found.manifest["files"]
    assert [n["recipe"] for n in about["bundle"]["networks"]] == ["mnms2-sa", "mnms2-la"]
    assert about["data"] == found.manifest["data"]
    assert {s["slug"] for s in about["sockets"]} >= {"sa-ed-cine-mri", "la-es-cine-mri"}
    card = (bundles / "mnms2/MODEL_CARD.md").read_text()
    assert about["limits"]
    for limit in about["limits"]:
        assert limit in " ".join(card.partition("## Limits")[2].split())


def test_an_image_that_carries_one_bundle_tells_of_that_one(bundles, tmp_path, capsys):
    shutil.copytree(bundles / "mnms2", tmp_path / "w")
    assert list(information(None, tmp_path / "w")) == ["mnms2"]
    assert main.main(["info", "--weights", str(tmp_path / "w")]) == 0
    assert capsys.readouterr().out.startswith("mnms2: cine")
    assert main.main(["info", "--weights", str(tmp_path / "nowhere")]) == 6
    assert "there are no weights in" in capsys.readouterr().err
