"""The rules for the output folder, each broken in turn."""

from dataclasses import replace

import numpy as np
import pytest

from cmrseg_lab.lint_image.sample import SamplePatient, output_faults
from tiny import save, volume

MASK = "images/delayed-enhancement-segmentation"
MAP = "images/delayed-enhancement-uncertainty"
IMAGE = volume(1)
SAMPLE = SamplePatient("emidec", {"LGE": IMAGE})


@pytest.fixture
def out(tmp_path):
    save(tmp_path / MASK / "output.mha", mask())
    save(tmp_path / MAP / "any.mha", IMAGE.like(np.zeros(IMAGE.array.shape, np.float32)))
    (tmp_path / "results.json").write_text('{"volume_ml": 3.5, "dice": null}')
    return tmp_path


def mask(value=4, kind=np.uint8):
    return IMAGE.like(np.full(IMAGE.array.shape, value, kind))


def test_by_the_rules(out):
    assert output_faults(SAMPLE, out) == []


def test_nothing_at_all(tmp_path):
    assert output_faults(SAMPLE, tmp_path) == [
        "delayed-enhancement-segmentation: 0 images, one is needed",
        "delayed-enhancement-uncertainty: 0 images, one is needed",
        "results.json is missing",
    ]


def shifted(out):
    geometry = replace(IMAGE.geometry, origin_mm=(0.0, 0.0, 0.0))
    save(out / MASK / "output.mha", replace(mask(), geometry=geometry))


def not_finite(out):
    save(out / MAP / "any.mha", IMAGE.like(np.full(IMAGE.array.shape, np.nan, np.float32)))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda out: save(out / MASK / "second.mha", mask()), "2 images, one is needed"),
        (lambda out: save(out / MASK / "output.mha", mask(5)), "the mask holds [5]"),
        (lambda out: save(out / MASK / "output.mha", mask(1, np.int16)), "the mask is int16"),
        (lambda out: (out / MASK / "output.mha").write_bytes(b"x"), "segmentation: "),
        (shifted, "it does not lie on the voxels of its input"),
        (not_finite, "voxels that are no finite number"),
        (lambda out: (out / "results.json").write_text('{"a": Infinity}'), "no strict JSON"),
        (lambda out: (out / "results.json").write_text("{"), "no strict JSON"),
        (lambda out: (out / "log.txt").write_text(""), "left behind: log.txt"),
        (lambda out: save(out / "images/other/a.nii.gz", mask()), "left behind: images/other/a"),
    ],
)
def test_each_rule_broken(spoil, told, out):
    spoil(out)
    (fault,) = output_faults(SAMPLE, out)
    assert told in fault
