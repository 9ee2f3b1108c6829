"""What quality control would have expected, for the report's pictures."""

import numpy as np
import pytest

from cmrseg.imaging import Volume
from cmrseg.imaging.orient import canonical
from cmrseg.imaging.postprocess import labels
from cmrseg.imaging.prepare import prepare
from cmrseg.imaging.resample import labels_to_grid
from cmrseg.imaging.volume import Grid
from cmrseg.quality.adapt_at_test_time import Shown
from cmrseg.recipes.mnms2 import _natively
from quality.test_inspector import candidates, certain, inspector, picture
from quality.tools import Copier
from tiny import heart, volume


@pytest.mark.parametrize("without_rv", [False, True])
def test_a_finding_holds_what_the_autoencoder_makes_of_the_answer(without_rv):
    network = Copier(size=64, without_rv=without_rv)
    judge = inspector(network)
    found = judge.inspect("SA_ED", Shown(image=picture()), candidates(), pass_s=0.1)
    answer = labels(found.probabilities)
    np.testing.assert_array_equal(found.expected, judge.control.reconstructor.labels(answer))
    assert (found.expected == 3).any() != without_rv


def test_it_lies_on_the_image_s_own_voxels():
    image = volume(2)
    prepared = prepare(image, Grid((None, 1.5, 1.5)))
    truth = Volume(heart(2)[1], image.geometry)
    on_grid = labels_to_grid(canonical(truth)[0], Grid((None, 1.5, 1.5))).array
    judge = inspector(Copier(size=64))
    given = np.stack([certain(on_grid)])
    found = judge.inspect("SA_ED", Shown(image=prepared.image), given, pass_s=0.1)
    native = _natively(found, prepared, image)
    assert native.geometry.same_as(image.geometry)
    assert native.array.dtype == np.uint8
    both = (native.array == 1) & (truth.array == 1)
    assert 2 * both.sum() / ((native.array == 1).sum() + (truth.array == 1).sum()) > 0.85
