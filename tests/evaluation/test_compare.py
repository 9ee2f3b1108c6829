"""Two sides whose differences are known: hearts moved by whole rows of pixels."""

import csv

import numpy as np
import pytest
from PIL import Image

from cmrseg.evaluation.compare import compare
from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.imaging.write import write
from cmrseg.runtime.errors import EXIT_OK, EXIT_PARTIAL, InputError, UsageError

SPACING_MM = (10.0, 1.4, 1.4)
CASES = tuple(f"Case_P{number:03}" for number in range(1, 13))


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    write(Volume(array, Geometry(array.shape, SPACING_MM)), path)


def lge(shift=0):
    """Myocardium of 8 x 6 pixels in 3 slices with a column of infarct, moved along y."""
    array = np.zeros((3, 24, 16), np.uint8)
    array[:, 8:16, 4:10] = 2
    array[:, 8:16, 9] = 3
    return np.roll(array, shift, axis=1)


def side(folder, shifts):
    for case, shift in shifts.items():
        save(folder / f"{case}.nii.gz", lge(shift))
    return folder


@pytest.fixture
def truth(tmp_path):
    for case in CASES:
        save(tmp_path / "truth" / case / "Contours" / f"{case}.nii.gz", lge())
    return tmp_path / "truth"


def read_csv(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_with_a_truth(tmp_path, truth):
    # eighths of the rows are lost: Dice 1 against 7/8, and 1/2 in the fourth case
    first = side(tmp_path / "a", dict.fromkeys(CASES, 0))
    other = side(tmp_path / "b", dict.fromkeys(CASES, 1) | {CASES[3]: 4})
    found = compare("emidec", first, other, tmp_path / "out", truth=truth, names=("new", "old"))
    assert found.exit_code == EXIT_OK
    lines = {line.metric: line for line in found.lines()}
    dice = lines["infarction_dice"]
    assert (dice.first, dice.other) == pytest.approx((1.0, (11 * 0.875 + 0.5) / 12))
    assert dice.found.mean == pytest.approx(dice.first - dice.other)
    assert 0.125 <= dice.found.low < dice.found.mean < dice.found.high
    assert dice.better == (12, 0)
    assert lines["myocardium_hd_mm"].found.mean == pytest.approx(-(11 * 1.4 + 5.6) / 12)
    assert lines["myocardium_hd_mm"].better == (12, 0)
    # twelve differences of one sign
    assert dice.found.p == pytest.approx(2 / 2**12, abs=2e-3)
    assert dice.p_holm > dice.found.p
    # volumes are the same
    assert lines["infarction_volume_difference_cm3"].found.p == 1.0
    assert next(iter(found.apart)) == CASES[3]
    assert "mean Dice new 1.000, old 0.667" in found.text()


def test_without_a_truth_the_sides_are_compared_with_each_other(tmp_path):
    first = side(tmp_path / "a", dict.fromkeys(CASES[:3], 0))
    other = side(tmp_path / "b", dict.fromkeys(CASES[:3], 2))
    smaller = lge(2)
    smaller[:, 10] = 0
    save(other / f"{CASES[1]}.nii.gz", smaller)
    found = compare("emidec", first, other, tmp_path / "out")
    assert found.agreement[CASES[0]]["myocardium_dice"] == pytest.approx(0.75)
    (line,) = (line for line in found.lines() if line.metric == "myocardium_volume_ml")
    voxel_ml = 10 * 1.4 * 1.4 / 1000
    assert line.first == pytest.approx(3 * 48 * voxel_ml)
    assert line.found.mean == pytest.approx(3 * 6 * voxel_ml / 3)
    assert next(iter(found.apart)) == CASES[1]
    assert "75.00" in found.text()
    assert "better" not in found.text()


def test_what_is_written(tmp_path, truth):
    first = side(tmp_path / "a", dict.fromkeys(CASES, 0))
    other = side(tmp_path / "b", {case: number // 4 for number, case in enumerate(CASES)})
    for case in CASES:
        image = np.random.default_rng(0).normal(100, 20, (3, 24, 16)).astype(np.float32)
        save(tmp_path / "images" / case / "Images" / f"{case}.nii.gz", image)
    out = tmp_path / "out"
    found = compare("emidec", first, other, out, truth=truth, images=tmp_path / "images")
    pictures = sorted(out.glob("*.png"))
    assert [path.name for path in pictures] == [
        f"{n:02}-{case}.png" for n, case in enumerate(list(found.apart)[:10], 1)
    ]
    page = (out / "comparison.md").read_text()
    assert all(f"]({path.name})" in page for path in pictures)
    pixels = np.asarray(Image.open(pictures[0]).convert("RGB")).astype(int)
    coloured = np.ptp(pixels, axis=-1) > 60
    # three masks beside one another, each with contours
    assert all(part.any() for part in np.array_split(coloured[60:], 3, axis=1))
    statistics = {row["metric"]: row for row in read_csv(out / "comparison.csv")}
    assert statistics["myocardium_dice"]["n"] == "12"
    rows = {(row["case"], row["metric"]): row for row in read_csv(out / "cases.csv")}
    row = rows[CASES[4], "myocardium_dice"]
    assert (row["A"], float(row["B"]), float(row["between"])) == ("1.0", 0.875, 0.875)


def test_odd_names_lead_to_their_pictures_and_images_of_other_voxels_are_left_out(tmp_path):
    case = "Case_P1 (a)"
    first = side(tmp_path / "a", {case: 0})
    other = side(tmp_path / "b", {case: 2})
    save(tmp_path / "images" / case / "Images" / f"{case}.nii.gz", np.ones((2, 9, 9), np.float32))
    out = tmp_path / "out"
    compare("emidec", first, other, out, images=tmp_path / "images")
    assert "](01-Case_P1%20%28a%29.png)" in (out / "comparison.md").read_text()
    (picture,) = out.glob("*.png")
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert (pixels == 0).all(axis=-1).mean() > 0.3, "contours on black"


def test_cases_of_one_side_are_named_and_left_out(tmp_path, truth):
    first = side(tmp_path / "a", dict.fromkeys(CASES[:4], 0))
    other = side(tmp_path / "b", dict.fromkeys(CASES[1:5], 1))
    save(other / f"{CASES[2]}.nii.gz", lge()[:2])
    found = compare("emidec", first, other, tmp_path / "out", truth=truth)
    assert found.exit_code == EXIT_PARTIAL
    assert set(found.agreement) == {CASES[1], CASES[3]}
    assert f"only A has {CASES[0]}" in found.text()
    assert f"only B has {CASES[4]}" in found.text()
    assert f"left out: case {CASES[2]}: the prediction has 2 x" in found.text()
    with pytest.raises(InputError, match="there is nothing to compare"):
        compare("emidec", first, side(tmp_path / "c", {"Case_N001": 0}), tmp_path / "no")


def test_mnms2_of_the_right_ventricle_alone(tmp_path):
    for name, shift in (("a", 0), ("b", 2)):
        for role in ("SA_ED", "SA_ES"):
            array = np.roll(np.where(lge() > 0, 3, 0).astype(np.uint8), shift, axis=1)
            save(tmp_path / name / "001" / f"001_{role}_pred.nii.gz", array)
            whole = np.where(lge() > 0, 3, 1).astype(np.uint8)
            save(tmp_path / "truth" / "001" / f"001_{role}_gt.nii.gz", whole)
    found = compare(
        "mnms2", tmp_path / "a", tmp_path / "b", tmp_path / "out", truth=tmp_path / "truth"
    )
    assert [line.metric for line in found.lines() if line.metric.endswith("dice")] == [
        "rv_sa_ed_dice",
        "rv_sa_es_dice",
        "rv_sa_dice",
    ]
    assert found.lines()[0].found.mean == pytest.approx(0.25)


def test_sides_need_two_names(tmp_path):
    with pytest.raises(UsageError, match="both sides are called x"):
        compare("emidec", tmp_path, tmp_path, tmp_path / "out", names=("x", "x"))
