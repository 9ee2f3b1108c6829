import numpy as np
import pytest
from scipy import ndimage

from cmrseg.imaging.volume import Volume
from cmrseg.runtime.errors import UsageError
from cmrseg_lab.synthetic.anatomy import draw_heart
from cmrseg_lab.synthetic.patient import SyntheticPatient, draw_patient
from cmrseg_lab.synthetic.reformat import to_index

LV, MYO, RV = 1, 2, 3


def volume_ml(label: Volume, *codes: int) -> float:
    return float(np.isin(label.array, codes).sum() * label.geometry.voxel_ml)


def middle_slice(label: Volume) -> int:
    return int(np.flatnonzero((label.array == LV).any((1, 2))).mean())


def test_roles_types_and_label_sets(cine: SyntheticPatient, late: SyntheticPatient) -> None:
    assert set(cine.images) == set(cine.labels) == {"SA_ED", "SA_ES", "LA_ED", "LA_ES"}
    assert set(late.images) == set(late.labels) == {"LGE"}
    for patient, codes in ((cine, {0, 1, 2, 3}), (late, {0, 1, 2, 3, 4})):
        for role, label in patient.labels.items():
            image = patient.images[role]
            assert set(np.unique(label.array)) <= codes
            assert label.array.dtype == np.uint8
            assert image.array.dtype == np.int16
            assert image.geometry.same_as(label.geometry)
    for label in cine.labels.values():
        assert {LV, MYO, RV} <= set(np.unique(label.array))


def test_equal_seeds_give_equal_patients_and_others_do_not() -> None:
    first, again, other = (draw_patient("emidec", seed, group="P") for seed in (3, 3, 4))
    assert np.array_equal(first.images["LGE"].array, again.images["LGE"].array)
    assert np.array_equal(first.labels["LGE"].array, again.labels["LGE"].array)
    assert first.facts == again.facts
    assert first.facts != other.facts


def test_cavity_is_surrounded_by_muscle_in_the_middle(cine: SyntheticPatient) -> None:
    for role in ("SA_ED", "SA_ES"):
        label = cine.labels[role]
        plane = label.array[middle_slice(label)]
        ring = ndimage.binary_dilation(plane == LV) & (plane != LV)
        assert (plane[ring] == MYO).all()


def test_rv_touches_the_septum_on_one_side(cine: SyntheticPatient) -> None:
    label = cine.labels["SA_ED"]
    plane = label.array[middle_slice(label)]
    touching = ndimage.binary_dilation(plane == RV) & (plane == MYO)
    assert touching.sum() > 10
    centre = np.array(ndimage.center_of_mass(np.isin(plane, (LV, MYO))))
    offsets = np.argwhere(touching) - centre
    resultant = np.linalg.norm((offsets / np.linalg.norm(offsets, axis=1)[:, None]).mean(0))
    assert resultant > 0.5  # all to one side; evenly around would give 0


def test_volumes_of_labels_are_those_of_the_shapes(cine: SyntheticPatient) -> None:
    for phase in ("ed", "es"):
        label = cine.labels[f"SA_{phase.upper()}"]
        assert volume_ml(label, LV) == pytest.approx(cine.facts[f"lv_{phase}_ml"], rel=0.12)
        wall = cine.facts[f"myocardium_{phase}_ml"]
        assert volume_ml(label, MYO) == pytest.approx(wall, rel=0.15)
        # what lies above the uppermost slice is not seen
        assert 0.7 < volume_ml(label, RV) / cine.facts[f"rv_{phase}_ml"] < 1.1


def test_ejection_fraction_of_a_normal_heart_is_normal(cine: SyntheticPatient) -> None:
    for code, low, high in ((LV, 0.45, 0.75), (RV, 0.35, 0.75)):
        ed, es = (volume_ml(cine.labels[role], code) for role in ("SA_ED", "SA_ES"))
        assert low < 1 - es / ed < high


def test_long_axis_and_short_axis_agree_in_space() -> None:
    patient = draw_patient("mnms2", 21, group="NOR", style="siemens-1.5t")
    long, short = patient.labels["LA_ED"], patient.labels["SA_ED"]
    index = np.argwhere(np.isin(long.array, (LV, MYO, RV))).T
    there = np.rint(to_index(short.geometry, long.geometry.to_patient(index))).astype(int)
    inside = ((there >= 0) & (there < np.array(short.geometry.shape)[:, None])).all(0)
    assert inside.mean() > 0.8
    mine = long.array[tuple(index[:, inside])]
    theirs = short.array[tuple(there[:, inside])]
    assert (mine == theirs).mean() > 0.8  # slices are 10 mm apart, and shifted by breath-holds


def test_groups_differ_as_diseases_do() -> None:
    def mean(group: str, fact: str) -> float:
        rng = np.random.default_rng(1)
        hearts = [draw_heart(rng, group) for _ in range(25)]
        cavity = [h.ed.endo.volume_ml() for h in hearts]
        values = {
            "lv": cavity,
            "wall": [h.ed.epi.volume_ml() - c for h, c in zip(hearts, cavity, strict=True)],
            "rv": [h.ed.rv_width_mm for h in hearts],
        }
        return float(np.mean(values[fact]))

    assert mean("LV", "lv") > 1.5 * mean("NOR", "lv")
    assert mean("HCM", "wall") > 1.3 * mean("NOR", "wall")
    for group in ("RV", "ARR", "FALL", "CIA", "TRI"):
        assert mean(group, "rv") > 1.15 * mean("NOR", "rv")


def test_pathological_hearts_have_an_infarct_inside_the_wall_and_normal_ones_none(
    late: SyntheticPatient,
) -> None:
    label = late.labels["LGE"].array
    assert (label >= 3).sum() > 20
    assert not np.isin(draw_patient("emidec", 2, group="N").labels["LGE"].array, (3, 4)).any()


def test_infarct_is_brighter_and_no_reflow_darker() -> None:
    def found(seed: int) -> SyntheticPatient:
        return draw_patient("emidec", seed, group="P", style="psir-1.5t")

    patient = next(p for p in map(found, range(40)) if (p.labels["LGE"].array == 4).sum() > 150)
    image, label = patient.images["LGE"].array, patient.labels["LGE"].array
    muscle, infarct, core = (np.median(image[label == code]) for code in (2, 3, 4))
    assert infarct > muscle
    assert core < infarct


def test_late_slices_have_the_heart_in_the_middle_and_empty_margins(late: SyntheticPatient) -> None:
    label, image = late.labels["LGE"].array, late.images["LGE"].array
    for plane in label:
        if plane.any():
            centre = np.array(ndimage.center_of_mass(plane > 0))
            assert np.abs(centre - (np.array(plane.shape) - 1) / 2).max() <= 1
    assert (image == 0).any()


def test_held_out_style_is_further_away_than_another_patient() -> None:
    def noise(style: str, seed: int) -> float:
        patient = draw_patient("emidec", seed, group="N", style=style)
        image, label = patient.images["LGE"].array, patient.labels["LGE"].array
        cavity = ndimage.binary_erosion(label == 1, np.ones((1, 3, 3)))
        grain = image - ndimage.gaussian_filter(image.astype(float), (0, 2, 2))
        return float(grain[cavity].std() / abs(np.median(image[cavity]) - np.median(image[0])))

    inside = [noise("in", seed) for seed in range(3)]
    outside = [noise("out", seed) for seed in range(3)]
    assert np.mean(outside) != pytest.approx(np.mean(inside), rel=0.2)


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="challenge"):
        draw_patient("acdc", 0)
    with pytest.raises(UsageError, match="group"):
        draw_patient("mnms2", 0, group="XXX")
    with pytest.raises(UsageError, match="group"):
        draw_patient("emidec", 0, group="HCM")
    with pytest.raises(UsageError, match="seed"):
        draw_patient("emidec", -1)
    with pytest.raises(UsageError, match="style"):
        draw_patient("mnms2", 0, style="toshiba")
    with pytest.raises(UsageError, match="artefact"):
        draw_patient("mnms2", 0, artefact="inversion")
