"""From folders to the cache: on the recipe's grid, labels with images, sources side by side."""

from dataclasses import replace

import numpy as np
import pytest

from cmrseg.runtime.errors import InputError
from cmrseg_lab.training import cache
from cmrseg_lab.training.preprocess import preprocess
from cmrseg_lab.training.presets import RECIPES
from tiny import heart, save, volume

SA = RECIPES["mnms2-sa"]


@pytest.fixture
def patients(tmp_path):
    """Two patients in M&Ms-2 folders, labelled."""
    for number, case in enumerate(("001", "002")):
        image = volume(number)
        label = image.like(heart(number)[1])
        for role in ("SA_ED", "SA_ES"):
            save(tmp_path / "data" / case / f"{case}_{role}.nii.gz", image)
            save(tmp_path / "data" / case / f"{case}_{role}_gt.nii.gz", label)
    return tmp_path / "data"


def test_volumes_lie_on_the_recipes_grid_with_their_labels(patients, tmp_path):
    out = tmp_path / "cache"
    entries = preprocess(SA.name, SA.items(patients), SA.grid, out, source="acdc")
    assert entries == cache.read_index(out, SA.name)
    assert [(e.patient, e.role, e.source) for e in entries] == [
        (case, role, "acdc") for case in ("001", "002") for role in ("SA_ED", "SA_ES")
    ]
    for number, entry in enumerate(entries):
        sample = cache.load(out, entry)
        assert sample.image.shape == sample.label.shape
        assert sample.spacing_mm == pytest.approx((9.0, 1.5, 1.5))
        truth = np.bincount(heart(number // 2)[1].ravel(), minlength=4) * 1.25 * 1.3
        kept = np.bincount(sample.label.ravel(), minlength=4) * 1.5**2
        np.testing.assert_allclose(kept[1:], truth[1:], rtol=0.1)
        # Cavity bright, myocardium dark: labels lie where their structures are.
        assert sample.image[sample.label == 1].mean() > 1.5
        assert sample.image[sample.label == 2].mean() < 0


def test_a_second_source_is_added_and_the_same_one_replaced(patients, tmp_path):
    out = tmp_path / "cache"
    preprocess(SA.name, SA.items(patients), SA.grid, out, source="acdc")
    preprocess(SA.name, SA.items(patients)[:2], SA.grid, out, source="synthetic")
    preprocess(SA.name, SA.items(patients)[:3], SA.grid, out, source="acdc")
    known = cache.read_index(out, SA.name)
    assert sorted(e.source for e in known) == ["acdc"] * 3 + ["synthetic"] * 2
    assert len({e.file for e in known}) == 5


def test_another_recipes_cache_is_left_alone(patients, tmp_path):
    out = tmp_path / "cache"
    preprocess(SA.name, SA.items(patients), SA.grid, out, source="acdc")
    before = sorted(p.name for p in out.iterdir())
    with pytest.raises(InputError, match="of recipe mnms2-sa, not emidec"):
        preprocess("emidec", SA.items(patients), SA.grid, out, source="other")
    assert sorted(p.name for p in out.iterdir()) == before


def constant(image, label):
    return image.like(np.full_like(image.array, 7)), label


def elsewhere(image, label):
    x, y, z = label.geometry.origin_mm
    return image, replace(label, geometry=replace(label.geometry, origin_mm=(x + 30, y, z)))


def shorter(image, label):
    geometry = replace(label.geometry, shape=(3, 40, 44))
    return image, replace(label, array=label.array[:3], geometry=geometry)


def swapped(image, label):
    return label, image


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (constant, "nothing to see"),
        (elsewhere, "on other voxels than the image"),
        (shorter, "on other voxels than the image"),
        (swapped, "a label file where an image should be"),
    ],
)
def test_a_bad_pair_is_named_by_case_and_role(patients, tmp_path, fault, told):
    image = volume(1)
    image, label = fault(image, image.like(heart(1)[1]))
    save(patients / "002" / "002_SA_ES.nii.gz", image)
    save(patients / "002" / "002_SA_ES_gt.nii.gz", label)
    with pytest.raises(InputError, match=f"case 002, SA_ES: .*{told}"):
        preprocess(SA.name, SA.items(patients), SA.grid, tmp_path / "cache", source="acdc")
