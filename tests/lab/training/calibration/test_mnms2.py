"""Thresholds come from held-out hearts alone, and the bundle keeps them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cmrseg.models import bundle
from cmrseg.models.bundle import CARD
from cmrseg.quality import replay
from cmrseg.quality.inspector import Inspector
from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.quality.selection import Fences, Thresholds, fences
from cmrseg.recipes.mnms2_volumes import EJECTION, STRUCTURES
from cmrseg.report.distribution import distributions
from cmrseg.runtime import use_device
from cmrseg.runtime.errors import EXIT_OK, InputError, WeightsError
from cmrseg_lab.cli import main
from cmrseg_lab.training import cache
from cmrseg_lab.training.calibration import mnms2
from cmrseg_lab.training.calibration.mnms2 import (
    MOST,
    MeasuredImage,
    bands,
    calibrate_mnms2,
    dice_bounds,
    population,
)
from cmrseg_lab.training.pack import pack
from cmrseg_lab.training.replay_slices import draw_rehearsal
from report.made import cine
from tiny import make_autoencoder, make_cache, make_checkpoint

PATIENTS = 12
LEARNED = [f"{number:03d}" for number in range(6)]


def autoencoder(tmp_path, view="sa", patients=LEARNED):
    return make_autoencoder(tmp_path / "qc", f"mnms2-{view}-qc", patients=patients)


@pytest.fixture
def data(tmp_path):
    """Real and synthetic hearts."""
    make_cache(tmp_path / "cache", "mnms2-sa", patients=PATIENTS)
    return make_cache(tmp_path / "cache", "mnms2-sa", patients=2, source="synthetic")


def make_bundle(tmp_path, *more, view="sa", patients=(LEARNED, LEARNED)):
    segmenters = [
        make_checkpoint(tmp_path / str(seed), f"mnms2-{view}", seed=seed, patients=own)
        for seed, own in enumerate(patients, start=1)
    ]
    return pack("mnms2", [*segmenters, *more], tmp_path / "mnms2")


def test_thresholds_and_rehearsal_go_into_the_bundle(tmp_path, data, capsys):
    weights = make_bundle(tmp_path, autoencoder(tmp_path))
    found = bundle.load(weights, "mnms2")
    assert Inspector.from_bundle(found, "mnms2-sa", STRUCTURES, use_device("cpu")) is None
    command = ["calibrate", "mnms2-sa", str(data), "--weights", str(weights), "--device", "cpu"]
    assert main.main([*command, "--mirrors", "1"]) == EXIT_OK
    assert "SA_ED: in range from pDC" in capsys.readouterr().out
    found = bundle.load(weights, "mnms2")
    inspector = Inspector.from_bundle(found, "mnms2-sa", STRUCTURES, use_device("cpu"))
    assert inspector.thresholds.of("SA_ED").measures == 2 * 6
    assert len(replay.read(weights / "mnms2-sa-rehearsal.safetensors")) > 0
    assert "mnms2-sa-rehearsal.safetensors" in found.manifest["files"]
    assert "6 held-out patients of hospital" in (weights / CARD).read_text()


def test_slices_of_patients_travel_only_where_they_are_asked_for(tmp_path, capsys, monkeypatch):
    data = make_cache(tmp_path / "cache", "mnms2-sa", patients=PATIENTS)
    weights = make_bundle(tmp_path, autoencoder(tmp_path))
    slices = weights / "mnms2-sa-rehearsal.safetensors"
    command = ["calibrate", "mnms2-sa", str(data), "--weights", str(weights), "--device", "cpu"]
    command += ["--mirrors", "1", "--rehearse"]

    assert main.main([*command, "synthetic"]) == EXIT_OK
    assert "refinement is not possible with this bundle" in capsys.readouterr().out
    assert not slices.exists()

    drawn = []
    monkeypatch.setattr(
        mnms2,
        "draw_rehearsal",
        lambda chosen: drawn.extend(chosen) or draw_rehearsal(chosen),
    )
    assert main.main([*command, "learned"]) == EXIT_OK
    assert "not possible" not in capsys.readouterr().out
    assert len(drawn) == len(LEARNED), "of nobody who was held out"
    found = bundle.load(weights, "mnms2")
    inspector = Inspector.from_bundle(found, "mnms2-sa", STRUCTURES, use_device("cpu"))
    assert len(inspector.refiner.rehearsed()) > 0
    assert (
        "slices of patients its networks were trained with travel" in (weights / CARD).read_text()
    )

    assert main.main([*command, "none"]) == EXIT_OK
    assert "not possible" not in capsys.readouterr().out, "it was chosen"
    assert not slices.exists(), "nothing of a patient stays behind"
    assert "travel" not in (weights / CARD).read_text()
    found = bundle.load(weights, "mnms2")
    inspector = Inspector.from_bundle(found, "mnms2-sa", STRUCTURES, use_device("cpu"))
    assert inspector.refiner is None


def test_slices_of_patients_whom_no_network_learned_from_are_not_to_be_had(tmp_path, data):
    paths = [
        make_checkpoint(tmp_path / "drawn", "mnms2-sa", sources=["synthetic"]),
        make_autoencoder(tmp_path / "qc", "mnms2-sa-qc", sources=["synthetic"]),
    ]
    weights = pack("mnms2", paths, tmp_path / "mnms2")
    with pytest.raises(InputError, match="none of the hearts"):
        calibrate_mnms2("mnms2-sa", data, weights, mirrors=1, device="cpu", rehearse="learned")


def test_the_measures_behind_the_fences_go_into_the_bundle_for_reports(tmp_path, data):
    weights = make_bundle(tmp_path, autoencoder(tmp_path))
    calibrate_mnms2("mnms2-sa", data, weights, mirrors=1, device="cpu")
    quality = bundle.load(weights, "mnms2").manifest["quality"]
    frozen, known = (quality["mnms2-sa"][key]["SA_ED"] for key in ("thresholds", "population"))
    assert {key: len(values) for key, values in known.items()} == {
        "pDC": frozen["measures"],
        "pHD_mm": frozen["measures"],
    }
    again = fences([Pseudo(*pair) for pair in zip(known["pDC"], known["pHD_mm"], strict=True)])
    assert again.th_low == pytest.approx(frozen["th_low"], abs=5e-4)
    assert again.th_up_mm == pytest.approx(frozen["th_up_mm"], abs=5e-2)
    drawn = {one.title: one for one in distributions("mnms2", [cine("a")], {"quality": quality})}
    assert drawn["SA_ED RV pDC"].population == tuple(known["pDC"])
    assert drawn["SA_ED RV pHD [mm]"].population == tuple(known["pHD_mm"])


def test_a_population_is_sorted_finite_and_no_longer_than_a_page_needs():
    few = {"SA_ED": [Pseudo(0.9, 7.126), Pseudo(0.5, 30.0), Pseudo(0.7, np.inf), Pseudo(0.8, 4.0)]}
    assert population(few) == {"SA_ED": {"pDC": [0.5, 0.8, 0.9], "pHD_mm": [4.0, 7.13, 30.0]}}
    many = [Pseudo(n / 1000, 1000 - n) for n in range(1001)]
    kept = population({"LA_ES": many})["LA_ES"]
    assert len(kept["pDC"]) == len(kept["pHD_mm"]) == MOST
    assert kept["pDC"] == sorted(kept["pDC"])
    assert (kept["pDC"][0], kept["pDC"][-1]) == (0.0, 1.0), "the extremes stay"
    quartiles = np.quantile(kept["pHD_mm"], (0.25, 0.5, 0.75))
    assert quartiles == pytest.approx([250, 500, 750], abs=0.01)


def test_errors_to_expect_are_those_of_the_candidate_that_quality_control_takes():
    """The second candidate, in range, lacks a tenth of every heart; the first half of it."""
    frozen = Thresholds(
        {role: Fences(th_low=0.8, th_up_mm=9.0, measures=9) for role in ("SA_ED", "SA_ES")}
    )
    pseudo = [Pseudo(0.95, 30.0), Pseudo(0.9, 5.0)]
    seen = []
    for patient in range(20):
        for role, ml in (("SA_ED", 100.0), ("SA_ES", 40.0)):
            true = {"LV": ml, "RV": ml}
            sizes = [{"LV": ml / 2, "RV": ml / 2}, {"LV": 0.9 * ml, "RV": 0.9 * ml}]
            doubt = dict.fromkeys(("LV", "RV"), (0.1, 0.1, 0.1))
            seen.append(
                MeasuredImage(
                    role=role,
                    patient=str(patient),
                    pseudo=pseudo,
                    sizes=sizes,
                    true=true,
                    doubts=[doubt, doubt],
                    dices=[dict.fromkeys(doubt, 0.9)] * 2,
                    domain="AB"[patient % 2],
                )
            )
    bounds = dice_bounds(seen)
    assert set(bounds) == {"LV", "RV"}
    assert bounds["RV"].domains == 2
    assert bounds["RV"].expected(doubt["RV"]) == pytest.approx(0.9, abs=0.001)
    found = bands(seen, frozen, bounds)
    assert set(found) == {"SA_ED", "SA_ES", EJECTION}
    # 10 mL wrong, of 90 mL and as much again that is typical.
    assert found["SA_ED"]["RV"].around(90.0, difficulty=0.1) == pytest.approx((80.0, 100.0))
    assert found[EJECTION]["LV"].around(60.0) == pytest.approx((60.0, 60.0))
    assert bands(seen[:18], frozen, bounds) == {}, "nine patients are too few"


def test_candidates_that_held_out_different_patients_are_judged_each_on_its_own(tmp_path, data):
    """Nobody compares them on one image then: there are no intervals."""
    first, second = LEARNED, [f"{number:03d}" for number in range(6, PATIENTS)]
    judges = [
        make_autoencoder(tmp_path / "one", "mnms2-sa-qc", fold=0, patients=first),
        make_autoencoder(tmp_path / "two", "mnms2-sa-qc", fold=1, patients=second),
    ]
    weights = make_bundle(tmp_path, *judges, patients=(first, second))
    calibrate_mnms2("mnms2-sa", data, weights, mirrors=1, device="cpu")
    quality = bundle.load(weights, "mnms2").manifest["quality"]["mnms2-sa"]
    assert {c["patients"] for c in quality["candidates"].values()} == {6}
    assert quality["thresholds"]["SA_ED"]["measures"] == PATIENTS
    assert quality["bands"] == {}
    assert "no intervals" in quality["fitted_on"]


def test_networks_that_held_out_others_or_nobody_are_refused(tmp_path, data):
    everyone = [f"{number:03d}" for number in range(PATIENTS)]
    for patients in (everyone, [p for p in everyone if p not in LEARNED]):
        weights = make_bundle(
            tmp_path, autoencoder(tmp_path / str(len(patients)), patients=patients)
        )
        with pytest.raises(InputError, match="nobody whom both"):
            calibrate_mnms2("mnms2-sa", data, weights, device="cpu")
    with pytest.raises(WeightsError, match="no network mnms2-sa-qc"):
        calibrate_mnms2("mnms2-sa", data, make_bundle(tmp_path), device="cpu")


def test_frames_with_the_lv_alone_give_thresholds_and_no_intervals(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-la", patients=PATIENTS)
    for patient in cache.read_index(data, "mnms2-la"):
        (one,) = cache.load_patient(data, patient).values()
        label = np.where(one.label == 1, 1, cache.UNKNOWN).astype(np.uint8)
        cache.save_patient(data, patient, {"ED": replace(one, label=label)})
    weights = make_bundle(tmp_path, autoencoder(tmp_path, "la"), view="la")
    calibrate_mnms2("mnms2-la", data, weights, mirrors=1, device="cpu")
    quality = bundle.load(weights, "mnms2").manifest["quality"]["mnms2-la"]
    assert list(quality["thresholds"]) == ["LA_ED"]
    assert quality["bands"] == {}


def test_older_networks_are_not_calibrated_on_images_they_do_not_expect(tmp_path, data):
    weights = make_bundle(tmp_path, autoencoder(tmp_path))
    manifest = json.loads((weights / bundle.MANIFEST).read_text())
    for network in manifest["networks"]:
        network.pop("preparation", None)
    (weights / bundle.MANIFEST).write_text(bundle.sealed(manifest))
    with pytest.raises(InputError, match="old way"):
        calibrate_mnms2("mnms2-sa", data, weights, mirrors=1, device="cpu")
