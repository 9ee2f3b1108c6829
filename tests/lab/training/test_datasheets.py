"""Cards and datasheets are what manifests and code make of them; the committed ones too."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cmrseg.models import bundle
from cmrseg.models.bundle import CARD, MANIFEST
from cmrseg_lab.synthetic import groups
from cmrseg_lab.training.dataset_facts import FACTS
from cmrseg_lab.training.datasheets import datasheets, main, read_manifests, refresh, stale_cards
from cmrseg_lab.training.pack import pack
from cmrseg_lab.training.sources import SOURCES
from tiny import make_checkpoint

ROOT = Path(__file__).parents[3]
COMMITTED = sorted(path.parent for path in (ROOT / "weights").glob(f"*/{MANIFEST}"))
REMEDY = "run `make cards` and commit what it writes"


@pytest.fixture
def weights(tmp_path):
    """A folder with one bundle that learned from ACDC and from synthetic hearts."""
    run = make_checkpoint(tmp_path / "run", "mnms2-sa", sources=["acdc", "synthetic-la"])
    pack("mnms2", [run], tmp_path / "weights" / "mine")
    return tmp_path / "weights"


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_committed_cards_are_not_stale(folder):
    assert stale_cards(folder) == [], REMEDY


def test_committed_datasheets_are_not_stale():
    sheets = datasheets(read_manifests(ROOT / "weights"))
    docs = ROOT / "docs" / "datasheets"
    assert {p.name: p.read_text(encoding="utf-8") for p in docs.glob("*.md")} == sheets, REMEDY


def test_there_are_facts_of_every_known_source():
    assert set(SOURCES) == {*FACTS, "synthetic"}


def test_a_sheet_says_where_data_come_from_and_who_learned_from_them(weights):
    sheets = datasheets(read_manifests(weights))
    assert set(sheets) == {"README.md", "acdc.md", "synthetic.md"}
    acdc = sheets["acdc.md"]
    assert SOURCES["acdc"].cite in acdc
    assert "CC BY-NC-SA 4.0" in acdc
    assert all(limit in acdc for limit in FACTS["acdc"].limits)
    (network,) = read_manifests(weights)["mine"]["networks"]
    patients = network["training"]["patients"]
    assert f"| mine | {network['file']} | synthetic-la | {patients} | fold 0 of 5 |" in acdc
    assert (
        f"| mine | {network['file']} | acdc | {patients} | fold 0 of 5 |" in sheets["synthetic.md"]
    )


def test_the_generators_sheet_follows_the_generator(weights, monkeypatch):
    before = datasheets({})["synthetic.md"]
    assert "NOR 20%" in before
    assert "No committed network." in before
    monkeypatch.setattr(groups, "MNMS2_MIX", {"NOR": 1.0})
    after = datasheets({})["synthetic.md"]
    assert "groups NOR 100%" in after
    assert after != before


def test_refreshing_writes_what_is_stale_and_nothing_else(weights, tmp_path, monkeypatch, capsys):
    docs = tmp_path / "docs"
    assert {path.name for path in refresh(docs, weights)} == {
        "README.md",
        "acdc.md",
        "synthetic.md",
    }
    assert refresh(docs, weights) == []
    (docs / "gone.md").write_text("of a source nobody uses")
    (docs / "acdc.md").write_text("edited")
    main([str(docs), str(weights)])
    assert capsys.readouterr().out == f"{docs / 'acdc.md'}\n"
    assert not (docs / "gone.md").exists()

    # the generator says something else: card, digests and seal follow, and the bundle loads
    acdc = replace(SOURCES["acdc"], licence="another")
    monkeypatch.setitem(SOURCES, "acdc", acdc)
    before = bundle.load(weights / "mine", "mnms2").digest
    assert len(stale_cards(weights / "mine")) == 1
    assert weights / "mine" / CARD in refresh(docs, weights)
    assert "Licence: another" in (weights / "mine" / CARD).read_text()
    assert bundle.load(weights / "mine", "mnms2").digest != before
    assert stale_cards(weights / "mine") == []


def test_a_changed_manifest_makes_the_card_stale(weights):
    path = weights / "mine" / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["networks"][0]["training"]["patients"] += 1
    path.write_text(json.dumps(manifest))
    assert stale_cards(weights / "mine") == ["the model card (training/card.py, manifest.json)"]
