import numpy as np
import pytest

from cmrseg.evaluation.mnms2 import (
    ROLES,
    cohort_averages,
    evaluate_case,
    predicted_labels,
    scored_structures,
    without_unpredicted,
)
from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.runtime.errors import InputError

SPACING = {"SA": (10.0, 1.25, 1.25), "LA": (8.0, 1.5, 1.5)}


def truth(role):
    """RV 4 x 6, LV 3 x 3, myocardium 3 x 1 pixels a slice; 3 slices SA, 1 slice LA."""
    array = np.zeros((3 if role.startswith("SA") else 1, 16, 20), np.uint8)
    array[:, 4:8, 2:8] = 3
    array[:, 4:7, 11:14] = 1
    array[:, 4:7, 14] = 2
    return volume(array, role)


def volume(array, role):
    return Volume(array, Geometry(array.shape, SPACING[role[:2]]))


def shifted(role, pixels):
    source = truth(role)
    return source.like(np.roll(source.array, pixels, axis=1))


def rv_only(source):
    return source.like(np.where(source.array == 3, 3, 0).astype(np.uint8))


def perfect():
    return {role: (truth(role), truth(role)) for role in ROLES}


def test_a_perfect_prediction():
    row = evaluate_case(perfect())
    for structure in ("rv", "lv", "myo"):
        assert row[f"{structure}_average_dice"] == 1.0
        assert row[f"{structure}_average_hd_mm"] == 0.0
    # 3 slices of 24 pixels, 10 x 1.25 x 1.25 mm each
    assert row["rv_sa_ed_volume_ml"] == pytest.approx(72 * 15.625 / 1000)
    assert "rv_la_ed_volume_ml" not in row


def test_views_phases_and_average_by_hand():
    # shifting 4 rows of RV by k rows leaves 4 - k in common: Dice (4 - k) / 4, HD k pixels
    images = {
        "SA_ED": (shifted("SA_ED", 1), truth("SA_ED")),  # .75, 1.25 mm
        "SA_ES": (shifted("SA_ES", 2), truth("SA_ES")),  # .5, 2.5 mm
        "LA_ED": (shifted("LA_ED", 0), truth("LA_ED")),  # 1, 0 mm
        "LA_ES": (shifted("LA_ES", 4), truth("LA_ES")),  # 0, 6 mm
    }
    row = evaluate_case(images)
    expected = {
        "rv_sa_ed_dice": 0.75,
        "rv_sa_ed_hd_mm": 1.25,
        "rv_sa_es_dice": 0.5,
        "rv_sa_es_hd_mm": 2.5,
        "rv_la_ed_dice": 1.0,
        "rv_la_ed_hd_mm": 0.0,
        "rv_la_es_dice": 0.0,
        "rv_la_es_hd_mm": 6.0,
        "rv_sa_dice": 0.625,
        "rv_sa_hd_mm": 1.875,
        "rv_la_dice": 0.5,
        "rv_la_hd_mm": 3.0,
        "rv_average_dice": 0.75 * 0.625 + 0.25 * 0.5,
        "rv_average_hd_mm": 0.75 * 1.875 + 0.25 * 3.0,
    }
    assert {key: row[key] for key in expected} == pytest.approx(expected)


def test_a_prediction_of_the_rv_alone_has_no_columns_of_lv_and_myocardium():
    row = evaluate_case({role: (rv_only(truth(role)), truth(role)) for role in ROLES})
    assert row["rv_average_dice"] == 1.0
    assert not any(key.startswith(("lv", "myo")) for key in row)


def test_each_structure_has_its_own_label():
    for structure, label in (("lv", 1), ("myo", 2), ("rv", 3)):
        source = truth("SA_ED")
        pred = source.like(np.where(source.array == label, label, 0).astype(np.uint8))
        row = evaluate_case({"SA_ED": (pred, source)}, ("rv", "lv", "myo"))
        found = {name for name in ("rv", "lv", "myo") if row[f"{name}_sa_ed_dice"] == 1.0}
        assert found == {structure}


def test_a_case_without_long_axis_has_no_average():
    row = evaluate_case({role: (truth(role), truth(role)) for role in ("SA_ED", "SA_ES")})
    assert row["rv_sa_dice"] == 1.0
    assert not any("la_" in key or "average" in key for key in row)
    row = evaluate_case({"SA_ED": (truth("SA_ED"), truth("SA_ED"))})
    assert "rv_sa_ed_dice" in row
    assert "rv_sa_dice" not in row  # half a mean is none


@pytest.mark.parametrize("role", ROLES)
def test_every_combination_of_empty_is_finite(role):
    empty = truth(role).like(np.zeros_like(truth(role).array))
    all_structures = ("rv", "lv", "myo")
    both = evaluate_case({role: (empty, empty)}, all_structures)
    name = role.lower()
    assert both[f"rv_{name}_dice"] == 1.0
    assert both[f"rv_{name}_hd_mm"] == 0.0
    depth, high, wide = (n * s for n, s in zip(empty.array.shape, SPACING[role[:2]], strict=True))
    diagonal = np.sqrt(depth**2 + high**2 + wide**2)
    for pair in ((empty, truth(role)), (truth(role), empty)):
        one = evaluate_case({role: pair}, all_structures)
        for structure in all_structures:
            assert one[f"{structure}_{name}_dice"] == 0.0
            assert one[f"{structure}_{name}_hd_mm"] == pytest.approx(diagonal)
    fixed = evaluate_case({role: (empty, truth(role))}, one_empty_mm=40)
    assert fixed[f"rv_{name}_hd_mm"] == 40.0


def test_the_role_of_a_bad_image_is_named():
    images = perfect()
    images["LA_ES"] = (truth("SA_ES"), truth("LA_ES"))
    with pytest.raises(InputError, match=r"LA_ES: the prediction has 3 x 16 x 20 voxels"):
        evaluate_case(images)


def test_what_is_scored_depends_on_the_whole_cohort():
    assert scored_structures({3}) == ("rv",)
    assert scored_structures(set()) == ("rv",)
    assert scored_structures({1, 3}) == ("rv", "lv", "myo")
    assert scored_structures({2}) == ("rv", "lv", "myo")
    assert predicted_labels(truth("SA_ED")) == {1, 2, 3}
    rows = {"001": {"rv_sa_dice": 0.9, "lv_sa_dice": 0.0, "myo_sa_dice": 0.0}}
    assert without_unpredicted(rows, {3}) == {"001": {"rv_sa_dice": 0.9}}
    assert without_unpredicted(rows, {1, 2, 3}) == rows


def test_the_cohort_average_is_the_mean_of_the_cases_where_all_images_are_there():
    rows = [
        evaluate_case({role: (shifted(role, shift), truth(role)) for role in ROLES})
        for shift in (0, 1, 3)
    ]
    cohort = cohort_averages(rows)
    for key in ("rv_sa_dice", "rv_la_hd_mm", "rv_average_dice", "rv_average_hd_mm"):
        assert cohort[key] == pytest.approx(np.mean([row[key] for row in rows]))


def test_the_cohort_average_uses_all_images_there_are():
    rows = [
        {"rv_sa_ed_dice": 0.9, "rv_sa_es_dice": 0.8, "rv_la_ed_dice": 0.5},
        {"rv_sa_ed_dice": 0.7},
    ]
    # SA (.9 + .8 + .7) / 3 = .8, LA .5: .75 * .8 + .25 * .5 = .725
    cohort = cohort_averages(rows)
    assert cohort["rv_sa_dice"] == pytest.approx(0.8)
    assert cohort["rv_average_dice"] == pytest.approx(0.725)
    assert cohort_averages([]) == {}
