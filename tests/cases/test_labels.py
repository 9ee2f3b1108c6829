import numpy as np
import pytest

from cmrseg.cases.challenge import SPECS
from cmrseg.cases.labels import label_code
from cmrseg.runtime.errors import OutputError, UsageError

from .tools import image


@pytest.mark.parametrize(("challenge", "name"), [(c, n) for c in SPECS for n in SPECS[c].codes])
def test_each_label_becomes_its_value(challenge, name):
    code = label_code(challenge, name)
    array = np.arange(360).reshape(3, 12, 10) % len(code.written)
    mask = code.encode(image().like(array))
    assert mask.array.dtype == np.uint8
    np.testing.assert_array_equal(mask.array, np.array(code.written)[array])
    assert set(np.unique(mask.array)) == code.allowed


def test_a_bool_mask_is_label_one():
    mask = label_code("mnms2", "all").encode(image().like(image().array > 500))
    np.testing.assert_array_equal(mask.array, image().array > 500)


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_a_value_between_labels_is_refused(value):
    array = np.zeros((3, 12, 10))
    array[0, 0, 0] = value
    with pytest.raises(OutputError, match="allowed are 0 to 4"):
        label_code("emidec", "all").encode(image().like(array))


def test_emidec_has_no_rv():
    with pytest.raises(UsageError, match="use one of: all"):
        label_code("emidec", "rv")
