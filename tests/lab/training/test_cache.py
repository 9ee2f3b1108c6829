"""The cache: what goes in comes out, and another recipe's is refused."""

import numpy as np
import pytest

from cmrseg.runtime.errors import InputError
from cmrseg_lab.training import cache
from tiny import make_cache, sample


def test_images_come_back_to_half_precision(tmp_path):
    make_cache(tmp_path, "mnms2-sa", patients=2)
    patients = cache.read_index(tmp_path, "mnms2-sa")
    assert [(p.patient, p.images, p.disease, p.source) for p in patients] == [
        ("000", ("ED",), "P", "hospital"),
        ("001", ("ED",), "N", "hospital"),
    ]
    found, put = cache.load_patient(tmp_path, patients[1])["ED"], sample(1)
    np.testing.assert_allclose(found.image, put.image, rtol=2**-11, atol=1e-6)
    np.testing.assert_array_equal(found.label, put.label)
    assert found.label.dtype == np.uint8
    assert found.spacing_mm == put.spacing_mm


def test_a_missing_broken_or_foreign_cache_is_told(tmp_path):
    with pytest.raises(InputError, match="no cache"):
        cache.read_index(tmp_path, "emidec")
    make_cache(tmp_path, "emidec", patients=1)
    with pytest.raises(InputError, match="of recipe emidec, not mnms2-sa"):
        cache.read_index(tmp_path, "mnms2-sa")
    (tmp_path / cache.INDEX).write_text("{")
    with pytest.raises(InputError, match="no cache"):
        cache.read_index(tmp_path, "emidec")
