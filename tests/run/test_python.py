"""One patient in Python: the same masks as the command's, from whatever holds the image."""

import subprocess
import sys

import numpy as np
import pytest

import cmrseg
from cmrseg.imaging import read, to_itk
from cmrseg.models import ensemble
from cmrseg.run.predict import predict
from cmrseg.runtime.errors import EXIT_OK, InputError, UsageError
from tiny import save, volume

QUICK = {"device": "cpu", "precision": "fp32", "mirrors": 1, "samples": 2}


@pytest.fixture(autouse=True)
def fp32(monkeypatch):
    monkeypatch.setattr(ensemble, "usual_precision", lambda device: "fp32")


@pytest.fixture
def cine(tmp_path):
    """Role -> file of a patient's short axis."""
    return {
        role: save(tmp_path / "in" / "001" / f"001_{role}.nii.gz", volume(n))
        for n, role in enumerate(("SA_ED", "SA_ES"))
    }


def test_masks_are_those_of_predict(bundles, cine, tmp_path):
    out = tmp_path / "out"
    options = {"weights": bundles, "device": "cpu", "mirrors": 1, "labels": "all"}
    assert predict("mnms2", tmp_path / "in", out, **options) == EXIT_OK
    model = cmrseg.load("mnms2", weights=bundles, **QUICK)
    for ed in (cine["SA_ED"], str(cine["SA_ED"]), (cine["SA_ED"], None), read(cine["SA_ED"])):
        found = model.segment(sa_ed=ed, sa_es=to_itk(read(cine["SA_ES"])))
        for name, mask in found.masks.items():
            written = read(out / f"001/001_{name.upper()}_pred.nii.gz")
            assert mask.array.dtype == np.uint8
            assert np.array_equal(mask.array, written.array)
            assert mask.geometry.same_as(written.geometry)
    assert set(found.masks) == set(found.volumes_ml) == {"sa_ed", "sa_es"}
    mask = found.masks["sa_ed"]
    expected_ml = (mask.array == 1).sum() * mask.geometry.voxel_ml
    assert found.volumes_ml["sa_ed"]["LV"] == pytest.approx(expected_ml, abs=0.01)
    assert set(found.ejection_fraction) <= {"LV", "RV"}
    assert found.uncertainty["sa_es"]["entropy"].array.shape == mask.array.shape
    assert found.quality == {}, "the tiny networks have no quality control"
    assert found.needs_review == bool(found.review)


def test_arrays_with_spacing(bundles):
    image = volume(1)
    found = cmrseg.segment("emidec", lge=(image.array, image.spacing_mm), weights=bundles, **QUICK)
    assert found.masks["lge"].array.shape == image.array.shape
    assert found.masks["lge"].spacing_mm == image.spacing_mm
    assert set(found.uncertainty["lge"]) == {"variance", "entropy"}
    assert set(found.volumes_ml["lge"]) >= {"myocardium", "infarction"}
    slice_ = volume(2, slices=1)
    flat = (slice_.array[0].astype(float), slice_.spacing_mm[1:])
    found = cmrseg.segment("mnms2", la_ed=flat, weights=bundles, **QUICK)
    assert found.masks["la_ed"].array.shape == slice_.array.shape
    assert not found.volumes_ml
    assert set(found.areas_cm2["la_ed"]) == {"LV", "MYO", "RV"}


def test_what_cannot_be_segmented(bundles, tmp_path):
    model = cmrseg.load("mnms2", weights=bundles, **QUICK)
    array = volume(1).array
    for wrong, error in (
        ({}, UsageError),
        ({"lge": tmp_path}, UsageError),
        ({"sa_ed": tmp_path / "none.nii.gz"}, InputError),
        ({"sa_ed": 3}, InputError),
        ({"sa_ed": (array, (1.0, 1.0))}, InputError),
        ({"sa_ed": (array[None], (1.0, 1.0, 1.0))}, InputError),
        ({"sa_ed": (array, (0.0, 1.0, 1.0))}, InputError),
    ):
        with pytest.raises(error):
            model.segment(**wrong)
    with pytest.raises(UsageError):
        cmrseg.load("acdc")


def test_importing_loads_nothing():
    code = (
        "import sys, cmrseg\n"
        "print([m for m in ('torch', 'numpy', 'SimpleITK') if m in sys.modules], cmrseg.segment)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] <function segment")
