"""evalutils' own process, from a folder of images to masks, with tiny untrained networks."""

import json
import logging

import numpy as np
import pytest

from cmrseg.evaluation.evalutils_algorithm import CmrsegAlgorithm
from cmrseg.imaging.itk import from_itk, to_itk
from cmrseg.imaging.read import read
from cmrseg.models import ensemble
from cmrseg.run.predict import predict
from cmrseg.runtime.errors import InputError, UsageError
from tiny import save, volume


@pytest.fixture(autouse=True)
def fp32(monkeypatch):
    monkeypatch.setattr(ensemble, "usual_precision", lambda device: "fp32")


@pytest.fixture
def made(bundles, tmp_path):
    """The algorithm between ``tmp_path/in`` and ``tmp_path/out``."""

    def go(challenge="emidec", **more):
        return CmrsegAlgorithm(
            challenge,
            weights=bundles,
            input_path=tmp_path / "in",
            output_path=tmp_path / "out" / "images",
            output_file=tmp_path / "out" / "results.json",
            device="cpu",
            samples=0,
            mirrors=1,
            **more,
        )

    return go


def told(tmp_path):
    return json.loads((tmp_path / "out" / "results.json").read_text())


def test_a_flat_folder_gives_the_masks_that_predict_gives(tmp_path, made, bundles, caplog):
    caplog.set_level(logging.INFO)
    images = {"a.mha": volume(0), "b.nii.gz": volume(1)}
    for name, image in images.items():
        save(tmp_path / "in" / name, image)
    (tmp_path / "in" / "notes.json").write_text("{}")
    made().process()
    options = {"weights": bundles, "device": "cpu", "samples": 0, "mirrors": 1}
    predict("emidec", tmp_path / "in", tmp_path / "usual", contract="folder", **options)
    for name, image in images.items():
        mask = read(tmp_path / "out" / "images" / name)
        stem, ending = name.split(".", 1)
        usual = read(tmp_path / "usual" / f"{stem}_seg.{ending}")
        assert mask.array.dtype == np.uint8
        assert mask.geometry.same_as(image.geometry)
        np.testing.assert_array_equal(mask.array, usual.array)
    names = [case["outputs"][0]["filename"] for case in told(tmp_path)]
    assert names == ["a.mha", "b.nii.gz"]
    assert caplog.text == ""


def test_only_the_socket_of_the_role_is_looked_at(tmp_path, made):
    for slug, number in (("sa-ed-cine-mri", 1), ("sa-es-cine-mri", 2)):
        save(tmp_path / "in" / "images" / slug / "same-name.mha", volume(number))
    (tmp_path / "in" / "inputs.json").write_text("[]")
    made("mnms2", role="SA_ES").process()
    found = [p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*.mha")]
    assert list(map(str, found)) == ["images/sa-es-segmentation/same-name.mha"]
    assert len(told(tmp_path)) == 1


def test_an_image_that_cannot_be_used_does_not_end_the_others(tmp_path, made):
    save(tmp_path / "in" / "b.mha", volume(1))
    (tmp_path / "in" / "a.mha").write_bytes(b"no image")
    flat = volume(2)
    save(tmp_path / "in" / "c.mha", flat.like(np.zeros_like(flat.array)))
    with pytest.raises(InputError, match=r"2 of 3 images: .*there is nothing to see"):
        made().process()
    assert [p.name for p in (tmp_path / "out" / "images").iterdir()] == ["b.mha"]
    assert [bool(case["error_messages"]) for case in told(tmp_path)] == [True, False, True]


def test_predict_takes_and_gives_simpleitk(made):
    image = volume(3)
    mask = made().predict(input_image=to_itk(image))
    assert mask.GetPixelIDTypeAsString() == "8-bit unsigned integer"
    assert from_itk(mask).geometry.same_as(image.geometry)


def test_no_image_and_no_such_role(tmp_path, made):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="there is no image for LGE"):
        made().process()
    with pytest.raises(UsageError, match="mnms2 has no image None"):
        made("mnms2")
