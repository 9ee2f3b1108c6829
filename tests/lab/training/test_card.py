"""What a model card must never leave out."""

from dataclasses import asdict

from cmrseg.quality.uncertainty.conformal import ErrorBand
from cmrseg.quality.uncertainty.trust import Trust
from cmrseg_lab.training.card import card
from cmrseg_lab.training.sources import source


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
    assert "on the terms of the data named above" in text


def test_networks_never_shown_real_labels_say_so():
    text = card(manifest(mnms2_sa=["acdc", "synthetic"], mnms2_la=["synthetic", "synthetic-la"]))
    alone = "learned from synthetic or reformatted hearts alone"
    assert f"Network mnms2-la {alone} and was **never validated on real labels**" in text
    both = card(manifest(mnms2_la=["synthetic"], mnms2_la_qc=["acdc-reformatted"]))
    assert f"Networks mnms2-la and mnms2-la-qc {alone} and were **never validated on" in both
    only = card(manifest(mnms2_la=["synthetic-la"]))
    assert "**never validated on real labels**" in only
    assert "Scores are of held-out patients" not in only


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


def test_rules_say_that_they_were_chosen_on_the_very_patients_scored():
    scored = manifest("emidec", emidec=["emidec"])
    scored["scores_out_of_fold"] = {"cases": 80, "command": "cmrseg validate", "table": "| a |"}
    assert "slightly too good" not in card(scored)
    scored["rules"] = {
        "tried": [],
        "gain": {"myocardium_dice": 0.01},
        "without": {"myocardium_dice": 0.8},
        "chosen_on": "80 patients",
    }
    text = card(scored)
    assert "slightly too good" in text
    assert "| Dice without any (%) | | 80.00 |\n| Dice with all shipped (%) | | 81.00 |" in text


def test_how_wide_intervals_are_and_what_is_flagged():
    fitted = Trust(
        bands={"infarction": ErrorBand.fit([8.0] * 20, [12.0] * 20)},
        fences={"myocardium": 0.9},
        fitted_on="20 held-out patients of emidec",
    )
    text = card({**manifest("emidec", emidec=["emidec"]), "trust": fitted.as_dict()})
    assert "| infarction | 25 % of (value + 8.0) | 90 % | 20 |" in text
    assert "(Dice) less than this: myocardium 0.900. Fitted on 20 held-out patients" in text


def test_thresholds_and_intervals_of_quality_control():
    told = manifest(mnms2_sa=["acdc"], mnms2_sa_qc=["acdc"])
    assert "Not calibrated: there are autoencoders but no thresholds" in card(told)
    assert "Quality control" not in card(manifest(mnms2_sa=["acdc"]))
    entry = {
        "fitted_on": "16 held-out patients of acdc",
        "thresholds": {"SA_ED": {"th_low": 0.95278, "th_up_mm": 16.69, "measures": 48}},
    }
    text = card({**told, "quality": {"mnms2-sa": entry}})
    assert (
        "| SA ED | 0.953 | 16.7 | 48 |\n\n- mnms2-sa: fitted on 16 held-out patients of acdc."
        in text
    )
    assert "Intervals" not in text, "of several folds there are none"
    band = ErrorBand.fit([8.0] * 20, [12.0] * 20).as_dict()
    text = card({**told, "quality": {"mnms2-sa": {**entry, "bands": {"SA_ED": {"RV": band}}}}})
    assert "| SA ED, RV | 25 % of (value + 8.0) | 90 % | 20 |" in text
