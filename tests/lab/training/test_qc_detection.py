from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cmrseg.quality.control import QualityControl, Reconstructor
from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.runtime.errors import InputError
from cmrseg_lab.training import qc_detection as judging
from cmrseg_lab.training.corrupted_masks import MIXED, made, spoil
from cmrseg_lab.training.corruptions import BLUNDERS, ERRORS
from cmrseg_lab.training.qc_detection import (
    Pair,
    detection,
    repeated_errors,
    roc_area,
    score_autoencoder,
)
from cmrseg_lab.training.train import train
from quality.tools import CPU, Copier, Square
from tiny import autoencoder_preset, make_cache, make_checkpoint, sample, segmenter_preset

QC = autoencoder_preset("mnms2-sa-qc")


def pair(dc, pdc, hd=5.0, phd=5.0):
    return Pair(Pseudo(dc, hd), Pseudo(pdc, phd))


def test_roc_area_as_scikit_learn_has_it():
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.3
    assert roc_area(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    assert roc_area(scores, np.zeros(60, bool)) is None
    assert roc_area(scores, np.ones(60, bool)) is None


def test_perfect_detection():
    found = detection([pair(d, d, 10 - 9 * d, 20 - 9 * d) for d in (0.2, 0.5, 0.8, 0.9)])
    assert (found.masks, found.poor) == (4, 2)
    assert found.spearman_dc == found.spearman_hd == pytest.approx(1.0)
    assert found.auc == 1.0


def test_an_autoencoder_that_reproduces_everything_detects_nothing():
    found = detection([pair(d, 1.0) for d in (0.2, 0.5, 0.8, 0.9)])
    assert found.spearman_dc is None
    assert found.auc == 0.5


def test_known_ranks():
    # Ranks 1 2 3 4 against 1 3 2 4: 1 - 6 * 2 / (4 * 15).
    found = detection([pair(0.1, 0.1), pair(0.2, 0.3), pair(0.8, 0.2), pair(0.9, 0.4)])
    assert found.spearman_dc == pytest.approx(0.8)
    assert found.auc == pytest.approx(3 / 4)


def test_what_is_repeated_by_hand():
    truth = np.array([[[1, 1, 0, 0, 2]]], np.uint8)
    wrong = np.array([[[1, 0, 3, 3, 2]]], np.uint8)
    assert repeated_errors(wrong, truth, wrong) == 1.0
    assert repeated_errors(wrong, truth, truth) == 0.0
    assert repeated_errors(wrong, truth, np.array([[[0, 0, 3, 0, 0]]])) == pytest.approx(2 / 3)
    assert repeated_errors(truth, truth, wrong) is None


@pytest.mark.parametrize(
    ("network", "empty", "stray", "truth"),
    [(Copier(size=128, slices=3), 1.0, 1.0, 1.0), (Square(size=128, side=0), 1.0, 0.0, 0.0)],
    ids=["repeats everything", "answers with nothing"],
)
def test_autoencoders_of_known_behaviour(network, empty, stray, truth):
    control = QualityControl(Reconstructor(network, CPU), judging.STRUCTURES)
    small = sample()
    samples = [replace(small, label=np.pad(small.label, ((1, 1), (42, 42), (42, 42))))]
    found = judging._judged(control, samples, made(samples, 4, 4, 0))
    told = found["wrong_masks"]
    assert list(told) == [MIXED, *ERRORS, *BLUNDERS]
    assert told["empty slice"]["repeats"] == empty  # what is empty stays so either way
    assert told["stray piece"]["repeats"] == stray
    assert found["true_masks"]["RV"]["dice"] == [truth, 0.0]
    if truth:
        assert {row["repeats"] for row in told.values()} == {1.0}


def test_scores_of_a_run(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-sa")
    path = train(QC, data, tmp_path / "run", device="cpu", workers=0)
    held_out = json.loads((tmp_path / "cache" / "index.json").read_text(encoding="utf-8"))[
        "patients"
    ]
    everyone = [f"{n:03d}" for n in range(6)]
    segmenter = make_checkpoint(tmp_path / "seg", "mnms2-sa", patients=everyone)
    with pytest.raises(InputError, match="trained on these"):
        score_autoencoder(path, data, tmp_path / "out", segmenter=segmenter, device="cpu")
    text = score_autoencoder(path, data, tmp_path / "out", errors=3, alone=3, device="cpu")
    scores = json.loads((tmp_path / "out" / "autoencoder.json").read_text(encoding="utf-8"))
    assert 0 < scores["stacks"] < len(held_out)
    kinds = [kind for kind in ERRORS if kind != "spill"]  # no slice lies beyond these hearts' ends
    assert list(scores["wrong_masks"]) == [MIXED, *kinds, *BLUNDERS]
    assert scores["masks"]["drop"]["image"] == [i for i in range(scores["stacks"]) for _ in "123"]
    again = [r for r in scores["masks"]["drop"]["repeats"] if r is not None]
    assert scores["wrong_masks"]["drop"]["repeats"] == pytest.approx(np.mean(again), abs=1e-5)
    assert scores["patients"] == list(range(scores["stacks"]))
    assert scores["wrong_masks"]["drop"]["masks"] == 3 * scores["stacks"]
    assert (tmp_path / "out" / "autoencoder.md").read_text(encoding="utf-8") == text
    mean, deviation = scores["true_masks"]["RV"]["dice"]
    assert f"| RV | {mean:.3f} ± {deviation:.3f} |" in text
    assert (
        score_autoencoder(path, data, tmp_path / "again", errors=3, alone=3, device="cpu") == text
    )


def test_the_segmenter_s_errors_are_judged_too_and_kept(tmp_path, monkeypatch):
    data = make_cache(tmp_path / "cache", "mnms2-sa")
    path = train(QC, data, tmp_path / "run", device="cpu", workers=0)
    one = segmenter_preset("mnms2-sa", steps=1)
    segmenter = train(one, data, tmp_path / "seg", device="cpu", workers=0)
    text = score_autoencoder(
        path,
        data,
        tmp_path / "out",
        segmenter=segmenter,
        errors=2,
        alone=1,
        device="cpu",
        work=tmp_path,
    )
    assert "| a segmenter on spoiled images | " in text
    assert len(list(tmp_path.glob("mnms2-sa-qc-*-2-0.npz"))) == 1
    monkeypatch.setattr("cmrseg_lab.training.corrupted_masks._segment", None)  # kept, not made anew
    assert text == score_autoencoder(
        path,
        data,
        tmp_path / "out",
        segmenter=segmenter,
        errors=2,
        alone=1,
        device="cpu",
        work=tmp_path,
    )


def test_nobody_held_out(tmp_path):
    data = make_cache(tmp_path / "cache", "mnms2-sa")
    path = train(QC, data, tmp_path / "run", fold=None, device="cpu", workers=0)
    with pytest.raises(InputError, match="nobody"):
        score_autoencoder(path, data, tmp_path / "out", device="cpu")


def test_spoiled_images_are_images_still():
    image = sample().image
    first, again = (spoil(image, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32
    assert first.shape == image.shape
    differences = []
    for seed in range(20):
        spoiled = spoil(image, np.random.default_rng(seed))
        assert np.isfinite(spoiled).all()
        differences.append(float(np.abs(spoiled - image).mean()))
    assert min(differences) > 0
    assert max(differences) > 3 * min(differences)
