import numpy as np
import pytest

from cmrseg_lab.synthetic import artefacts, strengths
from cmrseg_lab.synthetic.contrast import LGE
from cmrseg_lab.synthetic.patient import draw_patient
from cmrseg_lab.synthetic.texture import Floats


def square() -> Floats:
    image = np.zeros((64, 48), np.float32)
    image[24:40, 16:32] = 1
    return image


@pytest.mark.parametrize("name", list(artefacts.IMAGE))
def test_image_changes_with_strength(name: str) -> None:
    changes = []
    for strength in (0.2, 0.9):
        rng = np.random.default_rng(0)
        changed = artefacts.IMAGE[name](square() + 0.1, strength, rng)
        assert changed.shape == (64, 48)
        assert changed.dtype == np.float32
        changes.append(float(np.abs(changed - square() - 0.1).mean()))
    assert 0 < changes[0] < changes[1]


def test_ghosts_stand_along_the_phase_encoding_direction() -> None:
    ghosted = artefacts.ghosting(square(), 1.0, np.random.default_rng(0)) - square()
    assert ghosted[:, 16:32].any()
    assert not ghosted[:, :16].any()
    assert not ghosted[:, 32:].any()


def test_strength_0_leaves_the_patient_as_it_was() -> None:
    plain = draw_patient("emidec", 8, group="P")
    names = ",".join(f"{name}=0" for name in strengths.NAMES["emidec"])
    same = draw_patient("emidec", 8, group="P", artefact=names)
    assert np.array_equal(plain.images["LGE"].array, same.images["LGE"].array)


def test_an_artefact_changes_the_image_and_not_the_labels() -> None:
    plain = draw_patient("emidec", 8, group="P")
    for name in ("motion", "noise", "inversion"):
        changed = draw_patient("emidec", 8, group="P", artefact=f"{name}=0.8")
        assert not np.array_equal(plain.images["LGE"].array, changed.images["LGE"].array)
        assert np.array_equal(plain.labels["LGE"].array, changed.labels["LGE"].array)


def test_wrong_inversion_time_brings_muscle_towards_blood() -> None:
    late = artefacts.wrong_inversion(LGE, 0.5)
    assert LGE.myocardium < late.myocardium < LGE.blood
    assert late.infarct < LGE.infarct
    assert artefacts.wrong_inversion(LGE, 0.0) == LGE


def test_every_name_of_an_image_artefact_does_something() -> None:
    assert (*artefacts.IMAGE, "wrap") == strengths.IMAGE


def test_what_lies_outside_the_field_of_view_folds_onto_the_far_edge() -> None:
    rows = np.arange(10, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    assert np.array_equal(artefacts.wrapped(rows, slice(0, 10)), rows)
    # rows 0 and 1 appear below, row 9 above
    folded = artefacts.wrapped(rows, slice(2, 9))
    assert folded[:, 0].tolist() == [2 + 9, 3, 4, 5, 6, 7 + 0, 8 + 1]
    # less than half of the body: all of it is still there
    assert artefacts.wrapped(rows, slice(4, 7))[:, 0].tolist() == [
        4 + 1 + 7,
        5 + 2 + 8,
        6 + 0 + 3 + 9,
    ]


def test_the_field_of_view_shrinks_onto_the_heart() -> None:
    shown = np.zeros((2, 100, 50), bool)
    shown[0, 50, 20] = shown[1, 61, 30] = True
    assert artefacts.field_of_view(shown, 0.0) == slice(0, 100)
    assert artefacts.field_of_view(shown, 0.5) == slice(24, 82)
    assert artefacts.field_of_view(shown, 1.0) == slice(47, 65)
    assert artefacts.field_of_view(shown & False, 1.0) == slice(0, 100)


def test_a_field_of_view_hardly_larger_than_the_heart_folds_the_chest_onto_it() -> None:
    plain = draw_patient("emidec", 8, group="P")
    small = draw_patient("emidec", 8, group="P", artefact="wrap=1")
    label = plain.labels["LGE"].array
    assert np.array_equal(small.labels["LGE"].array, label)
    before, after = (p.images["LGE"].array[label > 0].mean() for p in (plain, small))
    assert after > before + 10  # 60 grey values are the signal of blood and more
