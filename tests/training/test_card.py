"""What a model card must never leave out."""

from dataclasses import asdict

from cmrseg.training.card import card
from cmrseg.training.sources import source


def manifest(challenge="mnms2", **networks):
    """``networks``: recipe -> its sources."""
    names = sorted({name for sources in networks.values() for name in sources})
    return {
        "challenge": challenge,
        "data": {name: asdict(source(name)) for name in names},
        "networks": [
            {
                "file": f"{recipe}.safetensors",
                "recipe": recipe.replace("_", "-"),
                "training": {
                    "sources": sources,
                    "patients": 64,
                    "fold": 0,
                    "folds": 5,
                    "steps_done": 4500,
                    "seed": 3,
                },
            }
            for recipe, sources in networks.items()
        ],
    }


def test_licence_and_citation_of_every_source():
    text = card(manifest(mnms2_sa=["acdc", "synthetic", "ward 7"]))
    for name in ("acdc", "synthetic", "ward 7"):
        known = source(name)
        assert f"- **{name}**: {known.title}. Licence: {known.licence}. Cite: {known.cite}." in text
    assert "non-commercial research only" in text
    assert "not a medical device" in text


def test_free_data_makes_free_weights():
    text = card(manifest(mnms2_la=["synthetic"]))
    assert "non-commercial" not in text
    assert "as free as the data" in text


def test_networks_never_shown_real_labels_say_so():
    text = card(manifest(mnms2_sa=["acdc", "synthetic"], mnms2_la=["synthetic", "synthetic-la"]))
    warning = (
        "mnms2-la learned from synthetic or reformatted hearts alone and was "
        "**never validated on real"
    )
    assert warning in text
    assert "mnms2-sa learned from synthetic" not in text
    only = card(manifest(mnms2_la=["synthetic-la"]))
    assert "**never validated on real labels**" in only
    assert "Scores come from held-out patients" not in only


def test_every_network_has_its_row():
    text = card(manifest("emidec", emidec=["emidec"]))
    assert "| emidec.safetensors | emidec | 64 | 0 of 5 | 4500 | 3 |" in text
    everyone = manifest("emidec", emidec=["emidec"])
    everyone["networks"][0]["training"]["fold"] = None
    assert "| emidec | 64 | none | 4500 | 3 |" in card(everyone)


def test_steps_of_earlier_runs_count():
    told = manifest("emidec", emidec=["emidec"])
    told["networks"][0]["training"]["started_from"] = {
        "steps": 200,
        "started_from": {"steps": 1000},
    }
    assert "| 64 | 0 of 5 | 5700 | 3 |" in card(told)
