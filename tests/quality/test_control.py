from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cmrseg.models.autoencoder import Autoencoder, AutoencoderConfig
from cmrseg.models.bundle import Bundle
from cmrseg.quality.control import SLICES_AT_ONCE, QualityControl, Reconstructor, assess
from cmrseg.quality.pseudo_metrics import Pseudo
from cmrseg.quality.selection import Fences
from cmrseg.runtime.errors import WeightsError
from quality.tools import CPU, STRUCTURES, Copier, Square, control

FENCES = Fences(th_low=0.8, th_up_mm=12.0, measures=30)
SPACING_MM = (8.0, 1.5, 1.5)


def rv(side):
    mask = np.zeros((2, 64, 64), np.uint8)
    low = 32 - side // 2
    mask[:, low : low + side, low : low + side] = 3
    return mask


def test_what_the_autoencoder_knows_is_chosen():
    # It knows squares of 16: a square of 8 has 64 voxels of its 256, Dice .4.
    assessment = control(Square(side=16)).assess([rv(8), rv(16)], SPACING_MM, FENCES)
    assert assessment.measures[0]["RV"].pdc == pytest.approx(2 * 64 / (64 + 256))
    assert assessment.measures[1]["RV"] == Pseudo(1.0, 0.0)
    assert not assessment.verdict.ood
    assert assessment.choice.candidates == (1,)


def test_an_unknown_shape_is_out_of_distribution():
    assessment = control(Copier(without_rv=True)).assess([rv(16), rv(8)], SPACING_MM, FENCES)
    assert assessment.verdict.ood
    told = json.loads(json.dumps(assessment.record(), allow_nan=False))
    assert told["out_of_distribution"] is True
    assert told["candidates"][0]["RV"]["pDC"] == 0.0
    assert told["candidates"][0].keys() == STRUCTURES.keys()
    assert told["chosen"] == [1]
    assert "pDC 0.000 < 0.800" in told["reason"]


def test_an_empty_mask_is_out_of_distribution_even_if_reproduced():
    empty = np.zeros((2, 64, 64), np.uint8)
    for network in (Copier(), Square()):
        assert control(network).assess([empty], SPACING_MM, FENCES).verdict.ood


def test_other_fences_for_measures_already_taken():
    taken = control(Square(side=16)).assess([rv(8)], SPACING_MM, FENCES)
    assert taken.verdict.ood
    loose = assess(taken.measures, Fences(th_low=0.3, th_up_mm=99.0, measures=9))
    assert not loose.verdict.ood
    assert loose.measures == taken.measures


SMALL = AutoencoderConfig(slices=3, size=32, layers=((8, 2), (6, 2)), dropout=0.0)


def bundle(tmp_path, monkeypatch, config):
    torch.manual_seed(3)
    network = Autoencoder(SMALL).eval()
    entry = {"recipe": "mnms2-sa-qc", "file": "qc.safetensors", "config": config}
    found = Bundle(tmp_path, {"networks": [entry]}, "")
    monkeypatch.setattr(Bundle, "tensors", lambda self, file: network.state_dict())
    return found, network


def test_from_a_bundle(tmp_path, monkeypatch):
    found, network = bundle(tmp_path, monkeypatch, json.loads(json.dumps(SMALL.as_dict())))
    loaded = QualityControl.from_bundle(found, "mnms2-sa-qc", STRUCTURES, CPU)
    assert loaded is not None
    assert not loaded.reconstructor.network.training
    x = torch.rand(1, 12, 32, 32)
    torch.testing.assert_close(loaded.reconstructor.network(x), network(x))
    assert QualityControl.from_bundle(found, "mnms2-la-qc", STRUCTURES, CPU) is None


@pytest.mark.parametrize("wrong", [{}, {**SMALL.as_dict(), "slices": 1}])
def test_weights_of_another_shape(tmp_path, monkeypatch, wrong):
    found, _ = bundle(tmp_path, monkeypatch, wrong)
    with pytest.raises(WeightsError, match=r"qc\.safetensors"):
        QualityControl.from_bundle(found, "mnms2-sa-qc", STRUCTURES, CPU)


def test_a_copy_comes_back_in_its_place():
    mask = np.random.default_rng(1).integers(0, 4, (3, 24, 20)).astype(np.uint8)
    for slices in (1, 3):
        found = Reconstructor(Copier(size=64, slices=slices), CPU).labels(mask)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, mask)


def test_outside_the_window_is_background():
    mask = np.zeros((1, 80, 80), np.uint8)
    mask[0, 30:50, 30:50] = 2
    mask[0, 0, 0] = 3  # far beyond the 32 voxels around the heart
    found = Reconstructor(Copier(size=32), CPU).labels(mask)
    mask[0, 0, 0] = 0
    np.testing.assert_array_equal(found, mask)


def test_the_answer_lies_where_the_mask_lay():
    mask = np.zeros((1, 80, 80), np.uint8)
    mask[0, 10:30, 40:60] = 3  # centred at (20, 50)
    found = Reconstructor(Square(size=32, side=16), CPU).labels(mask)
    rows, columns = np.nonzero(found[0] == 3)
    assert (rows.min(), rows.max() + 1) == (12, 28)
    assert (columns.min(), columns.max() + 1) == (42, 58)


def test_long_stacks_are_taken_piece_by_piece():
    network = Copier(size=8)
    mask = np.random.default_rng(2).integers(0, 4, (2 * SLICES_AT_ONCE + 1, 8, 8)).astype(np.uint8)
    np.testing.assert_array_equal(Reconstructor(network, CPU).labels(mask), mask)
    assert network.calls == 3
