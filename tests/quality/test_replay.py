from __future__ import annotations

import numpy as np
import pytest

from cmrseg.quality.replay import STEPS, Rehearsal, read, write
from cmrseg.runtime.errors import WeightsError


def slices(count=5):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(count, 12, 10)).astype(np.float32)
    return Rehearsal(images, rng.integers(0, 4, (count, 12, 10)).astype(np.uint8))


def test_what_is_written_is_read(tmp_path):
    before = slices()
    write(tmp_path / "r.safetensors", before)
    after = read(tmp_path / "r.safetensors")
    assert after.images.dtype == np.float32
    np.testing.assert_array_equal(after.labels, before.labels)
    np.testing.assert_allclose(after.images, before.images, atol=0.5 / STEPS + 1e-6)
    assert (tmp_path / "r.safetensors").stat().st_size < 2 * before.images.size + 500


def test_far_out_grey_values_stay_far_out(tmp_path):
    one = Rehearsal(np.array([[[-90.0, 90.0]]], np.float32), np.zeros((1, 1, 2), np.uint8))
    write(tmp_path / "r.safetensors", one)
    assert read(tmp_path / "r.safetensors").images.tolist() == [[[-8.0, 127 / STEPS]]]


def test_a_batch_is_single_slice_stacks():
    rehearsal = slices()
    images, labels = rehearsal.batch(np.array([1, 3]))
    assert images.shape == (2, 1, 1, 12, 10)
    assert labels.shape == (2, 1, 12, 10)
    np.testing.assert_array_equal(images[1, 0, 0], rehearsal.images[3])
    np.testing.assert_array_equal(labels[0, 0], rehearsal.labels[1])


def test_no_rehearsal_set(tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    for name in ("broken.safetensors", "missing.safetensors"):
        with pytest.raises(WeightsError, match=name):
            read(tmp_path / name)


def test_images_and_labels_must_fit():
    with pytest.raises(ValueError, match="labels"):
        Rehearsal(np.zeros((2, 3, 3), np.float32), np.zeros((1, 3, 3), np.uint8))
    with pytest.raises(ValueError, match="labels"):
        Rehearsal(np.zeros((0, 3, 3), np.float32), np.zeros((0, 3, 3), np.uint8))
