import numpy as np
import pytest

from cmrseg.runtime.errors import InputError
from cmrseg_lab.synthetic.implant import as_late, implant_infarct
from cmrseg_lab.synthetic.patient import SyntheticPatient, draw_patient


def test_infarct_on_late_enhancement() -> None:
    patient = draw_patient("emidec", 6, group="N", style="psir-1.5t")
    image, label = patient.images["LGE"], patient.labels["LGE"]
    new, found = implant_infarct(image, label, seed=1, share=0.25, core_share=0.2)
    was_wall = label.array == 2
    assert np.isin(found.array[was_wall], (2, 3, 4)).all()
    assert np.array_equal(found.array[~was_wall], label.array[~was_wall])
    assert (found.array >= 3).sum() / was_wall.sum() == pytest.approx(0.25, abs=0.1)
    change = new.array - image.array
    assert change[found.array == 3].mean() > 3
    assert np.abs(change[found.array == 0]).mean() < 0.5
    again = implant_infarct(image, label, seed=1, share=0.25, core_share=0.2)
    assert np.array_equal(new.array, again[0].array)


def test_infarct_on_cine_drops_the_rv(cine: SyntheticPatient) -> None:
    image, label = cine.images["SA_ED"], cine.labels["SA_ED"]
    new, found = implant_infarct(image, label, seed=2, share=0.2, source="cine")
    assert set(np.unique(found.array)) == {0, 1, 2, 3}
    assert not found.array[label.array == 3].any()
    infarct, muscle = (np.median(new.array[found.array == code]) for code in (3, 2))
    assert infarct > 1.5 * muscle


def test_as_late_nulls_muscle(cine: SyntheticPatient) -> None:
    image, label = cine.images["SA_ED"].array.astype(np.float32), cine.labels["SA_ED"].array
    late = as_late(image, label)
    before, after = (
        np.median(grey[label == 2]) / np.median(grey[label == 1]) for grey in (image, late)
    )
    assert after < 0.5 * before


def test_labels_without_muscle_are_refused(cine: SyntheticPatient) -> None:
    label = cine.labels["SA_ED"]
    with pytest.raises(InputError, match="muscle"):
        implant_infarct(
            cine.images["SA_ED"], label.like(np.zeros_like(label.array)), seed=0, share=0.2
        )
