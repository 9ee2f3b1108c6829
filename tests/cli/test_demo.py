"""The main job with the committed weights on the committed samples: what `make demo` does."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from cmrseg.cli.demo import demo
from cmrseg.evaluation.run import evaluate
from cmrseg.imaging import read
from cmrseg.models import bundle

SAMPLES = Path(__file__).parents[1] / "samples"
TRAINED_STYLE = {"emidec": "emidec-dataset-1.0.1/Case_P001", "mnms2": "dataset/001"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Samples of the trained style, the demo's output folder and what it printed."""
    samples, out = tmp_path_factory.mktemp("samples"), tmp_path_factory.mktemp("out")
    for challenge, case in TRAINED_STYLE.items():
        shutil.copytree(SAMPLES / challenge / case, samples / challenge / case)
    shutil.copytree(SAMPLES / "real", samples / "real")
    assert demo(samples, out, device="cpu") == 0
    return samples, out


@pytest.mark.parametrize("challenge", TRAINED_STYLE)
def test_committed_weights_are_whole(challenge):
    found = bundle.find(challenge, bundle.CHECKOUT)
    cases = {"emidec": 80, "mnms2": 27}  # held out by one fold or another
    assert found.manifest["scores_out_of_fold"]["cases"] == cases[challenge]


def test_short_and_long_axis_are_found(shown):
    samples, out = shown
    report = evaluate("mnms2", out / "mnms2", samples / "mnms2")
    (row,) = report.rows.values()
    for role in ("sa_ed", "sa_es", "la_ed", "la_es"):
        assert row[f"rv_{role}_dice"] > 0.7
        assert row[f"lv_{role}_dice"] > 0.7


def test_a_real_heart_is_found_and_all_end_in_a_report(shown):
    samples, out = shown
    (row,) = evaluate("mnms2", out / "real", samples / "real").rows.values()
    assert row["lv_sa_ed_dice"] > 0.8
    assert row["rv_sa_ed_dice"] > 0.6
    assert all((out / name / "report.html").is_file() for name in (*TRAINED_STYLE, "real"))


def test_myocardium_is_found_in_late_enhancement(shown):
    samples, out = shown
    (row,) = evaluate("emidec", out / "emidec", samples / "emidec").rows.values()
    assert row["myocardium_dice"] > 0.5


def test_uncertainty_lies_at_borders_not_in_the_background(shown):
    _, out = shown
    (path,) = out.glob("emidec/*/Uncertainty/*_entropy.nii.gz")
    (mask,) = out.glob("emidec/*/Contours/*.nii.gz")
    entropy, inside = read(path).array, read(mask).array > 0
    assert np.isfinite(entropy).all()
    assert entropy[inside].mean() > 5 * entropy[~inside].mean()


def test_summary_and_picture_are_there(shown):
    _, out = shown
    (case,) = json.loads((out / "mnms2" / "summary.json").read_text())["cases"]
    assert case["status"] == "done"
    assert 0 < case["measures"]["ejection_fraction_percent"]["LV"] < 90
    assert (out / "overlay.png").read_bytes().startswith(b"\x89PNG")
