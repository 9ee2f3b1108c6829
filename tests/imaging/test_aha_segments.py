"""Seventeen segments of hearts whose walls and infarcts are known."""

import json

import numpy as np
import pytest

from cmrseg.imaging import Geometry, Volume
from cmrseg.imaging.aha_segments import NAMES, TERRITORIES, segment_measures
from cmrseg.imaging.aha_septum import find_origin
from cmrseg.imaging.orient import Orientation

SIZE, MM = 96, 1.25
CAVITY_MM = 24.0


def stack(
    *,
    slices=9,
    thickness_mm=9.0,
    infarct=None,
    septum_deg=180.0,
    clockwise=True,
    tip=True,
    grey=False,
    apex_first=False,
):
    """A heart that narrows towards its last slice; angles from mid septum, positive to anterior.

    ``infarct(angle, level, depth)`` says where (depth 0 endocardium to 1 epicardium); ``grey`` for
    an image with a right ventricle's blood outside the septum.
    """
    y, x = np.indices((SIZE, SIZE)) * MM - SIZE * MM / 2
    theta = np.degrees(np.arctan2(-y, x))
    angle = (theta - septum_deg) * (-1 if clockwise else 1)
    angle = (angle + 180) % 360 - 180
    radius = np.hypot(y, x)
    labels, image = [], []
    for z in range(slices):
        inner = CAVITY_MM * (1 - 0.5 * z / slices)
        level = ("basal", "mid", "apical")[int(3 * (z + 0.5) / slices)]
        depth = (radius - inner) / thickness_mm
        wall = (depth >= 0) & (depth < 1)
        found = np.where(radius < inner, 1, np.where(wall, 2, 0))
        if infarct is not None:
            found[wall & infarct(angle, level, depth)] = 3
        labels.append(found)
        right = (np.abs(angle) < 50) & (depth >= 1) & (radius < inner + thickness_mm + 25)
        image.append(np.where((found == 1) | right, 400, np.where(found == 2, 50, 120)))
    if tip:
        labels.append(np.where(radius < 8, 2, 0))
        image.append(np.where(radius < 8, 50, 120))
    labels, image = np.array(labels, np.uint8), np.array(image, np.float32)
    if apex_first:
        labels, image = labels[::-1], image[::-1]
    geometry = Geometry(labels.shape, (10.0, MM, MM))
    image = image if grey else np.ones_like(image) * 100
    return Volume(image, geometry), Volume(np.ascontiguousarray(labels), geometry)


def by_name(measures):
    return {value["name"]: value for value in measures["segments"]["values"]}


def test_an_even_wall_is_as_thick_everywhere_and_nothing_is_infarcted():
    measures = segment_measures(*stack(thickness_mm=9.0), septum_deg=180.0)
    values = measures["segments"]["values"]
    assert [value["segment"] for value in values] == list(range(1, 18))
    assert tuple(value["name"] for value in values) == NAMES
    for value in values[:16]:
        assert value["wall_thickness_mm"] == pytest.approx(9.0, abs=0.4)
        assert value["infarct_transmurality_percent"] == 0
    assert values[16]["wall_thickness_mm"] is None, "no cavity to measure it from"
    assert values[16]["infarct_transmurality_percent"] == 0
    assert measures["segments"]["territory_infarcted_percent"] == {"LAD": 0, "RCA": 0, "LCX": 0}


def test_segments_are_where_the_paper_draws_them():
    """Cerqueira 2002, fig. 4, septum on the left: 1 on top, then towards the septum and round."""
    middles = dict(zip(NAMES[:6], (90, 30, -30, -90, -150, 150), strict=True))
    for name, middle in middles.items():

        def here(angle, level, depth, middle=middle):
            away = (angle - middle + 180) % 360 - 180
            return (np.abs(away) < 25) & (level == "basal")

        values = by_name(segment_measures(*stack(infarct=here)))
        assert values[name]["infarct_transmurality_percent"] > 75
        others = [v["infarct_transmurality_percent"] for n, v in values.items() if n != name]
        assert max(others) == 0
    assert NAMES[1] == "basal anteroseptal"
    assert NAMES[3] == "basal inferior"


def test_transmurality_is_the_infarcted_share_of_the_wall():
    def inner_third(angle, level, depth):
        return (np.abs(angle) < 45) & (depth < 1 / 3) & (level == "apical")

    septal = by_name(segment_measures(*stack(thickness_mm=12, infarct=inner_third)))[
        "apical septal"
    ]
    assert septal["infarct_transmurality_percent"] == pytest.approx(33, abs=5)
    assert septal["deepest_percent"] == pytest.approx(33, abs=10)


@pytest.mark.parametrize(
    ("artery", "middle", "level"), [("LAD", 60, "mid"), ("RCA", -60, "basal"), ("LCX", 180, "mid")]
)
def test_an_infarct_is_told_by_its_territory(artery, middle, level):
    def there(angle, at, depth):
        away = (angle - middle + 180) % 360 - 180
        return (np.abs(away) < 55) & (at == level) & (depth < 0.7)

    found = segment_measures(*stack(infarct=there), septum_deg=180.0)
    shares = found["segments"]["territory_infarcted_percent"]
    assert max(shares, key=shares.get) == artery
    assert shares[artery] > 2 * sorted(shares.values())[1]


def test_every_segment_belongs_to_one_artery():
    assert sorted(s for own in TERRITORIES.values() for s in own) == list(range(1, 18))


def test_the_base_is_the_wider_end_whichever_comes_first():
    def basal_septum(angle, level, depth):
        return (np.abs(angle) < 60) & (level == "basal")

    one, other = (
        segment_measures(*stack(infarct=basal_septum, apex_first=first)) for first in (False, True)
    )
    assert one["segments"]["values"] == other["segments"]["values"]
    assert by_name(one)["basal anteroseptal"]["infarct_transmurality_percent"] > 90
    assert [s["slice"] for s in one["slices"]] == list(range(1, 10))
    assert [s["slice"] for s in other["slices"]] == list(range(10, 1, -1))


def test_the_profile_has_known_areas_from_base_to_apex():
    measures = segment_measures(*stack(thickness_mm=9.0))
    first, last = measures["slices"][0], measures["slices"][-1]
    assert (first["level"], last["level"]) == ("basal", "apical")
    assert first["cavity_cm2"] == pytest.approx(np.pi * 2.4**2, rel=0.03)
    assert first["wall_cm2"] == pytest.approx(np.pi * (3.3**2 - 2.4**2), rel=0.03)
    assert first["wall_thickness_mm"] == pytest.approx(9.0, abs=0.4)
    areas = [one["cavity_cm2"] for one in measures["slices"]]
    assert areas == sorted(areas, reverse=True)


def test_blood_outside_the_wall_moves_the_septum_where_the_header_says_nothing():
    def septum(angle, level, depth):
        return np.abs(angle) < 30

    for turned in (140.0, 180.0, 215.0):
        image, mask = stack(infarct=septum, septum_deg=turned, grey=True)
        measures = segment_measures(image, mask)
        assert measures["segments"]["septum_deg"] == pytest.approx(turned, abs=12)
        assert not measures["segments"]["septum_sure"], "blood alone is not enough"
        assert "territory_infarcted_percent" not in measures["segments"], "no artery by name"
        assert "blood" in measures["segments"]["origin"]
        values = by_name(measures)
        assert values["apical septal"]["infarct_transmurality_percent"] > 50
        assert values["apical lateral"]["infarct_transmurality_percent"] == 0


def test_without_orientation_or_blood_the_convention_is_told():
    measures = segment_measures(*stack(septum_deg=140.0))
    assert measures["segments"]["septum_deg"] == 180
    assert not measures["segments"]["septum_sure"]
    assert "no real orientation" in measures["segments"]["origin"]


def oblique(volume, roll_deg=0.0):
    """The stack as a scanner stores it: apex to the left, front and feet of the patient."""
    apex = np.array([0.65, -0.55, -0.5]) / np.linalg.norm([0.65, -0.55, -0.5])
    head = np.array([0, 0, 1.0]) - apex * apex[2]
    up = head / np.linalg.norm(head)
    lateral = np.cross(up, -apex)  # seen from the apex, up the anterior wall, septum on the left
    lateral = lateral if lateral[0] > 0 else -lateral
    roll = np.radians(roll_deg)
    column = np.cos(roll) * lateral - np.sin(roll) * up
    row = -(np.cos(roll) * up + np.sin(roll) * lateral)
    direction = np.stack([apex, row, column], axis=1)
    return Volume(
        volume.array, Geometry(volume.array.shape, volume.spacing_mm, (0, 0, 0), direction)
    )


@pytest.mark.parametrize("roll_deg", [0.0, 35.0, 90.0, -120.0])
def test_a_real_header_gives_the_septum_however_the_slices_are_turned(roll_deg):
    """Rolled slices show the septum elsewhere; the patient's directions still find it."""

    def septum(angle, level, depth):
        return np.abs(angle) < 30

    image, mask = stack(infarct=septum, septum_deg=180.0 + roll_deg)
    measures = segment_measures(oblique(image, roll_deg), oblique(mask, roll_deg))
    assert measures["segments"]["septum_sure"]
    assert "patient's directions" in measures["segments"]["origin"]
    values = by_name(measures)
    assert values["apical septal"]["infarct_transmurality_percent"] > 45
    assert values["apical lateral"]["infarct_transmurality_percent"] == 0


@pytest.mark.parametrize("roll_deg", [0.0, 90.0])
def test_a_real_header_tells_the_anterior_wall_from_the_inferior(roll_deg):
    def anterior(angle, level, depth):
        return np.abs(angle - 90) < 35

    image, mask = stack(infarct=anterior, septum_deg=180.0 + roll_deg)
    values = by_name(segment_measures(oblique(image, roll_deg), oblique(mask, roll_deg)))
    assert values["apical anterior"]["infarct_transmurality_percent"] > 50
    assert values["apical inferior"]["infarct_transmurality_percent"] == 0


def test_the_same_heart_stored_with_other_axes_has_the_same_segments():
    def there(angle, level, depth):
        return (np.abs(angle - 60) < 40) & (level != "apical")

    image, mask = (oblique(v) for v in stack(infarct=there))
    plain = segment_measures(image, mask)
    way = Orientation(axes=(2, 0, 1), flipped=(False, True, False))
    g = image.geometry
    corner = np.zeros((3, 1))
    for axis, flip in zip(way.axes, way.flipped, strict=True):
        corner[axis] = g.shape[axis] - 1 if flip else 0
    axes = list(way.axes)
    geometry = Geometry(
        tuple(g.shape[a] for a in axes),
        tuple(g.spacing_mm[a] for a in axes),
        tuple(g.to_patient(corner)[:, 0]),
        g.direction[:, axes] * np.where(way.flipped, -1.0, 1.0),
    )
    turned = [Volume(way.forth(v.array), geometry) for v in (image, mask)]
    assert segment_measures(*turned)["segments"]["values"] == plain["segments"]["values"]


def test_a_slice_open_at_the_base_is_in_the_profile_but_in_no_segment():
    image, mask = stack()
    array = mask.array.copy()
    _, x = np.indices((SIZE, SIZE))
    array[0][(x > SIZE / 2) & (array[0] == 2)] = 0
    measures = segment_measures(image, mask.like(array))
    assert measures["slices"][0]["level"] is None
    assert measures["slices"][1]["level"] == "basal"


@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_mask_without_a_cavity_in_a_wall_has_no_segments(label):
    image, mask = stack(slices=3)
    assert segment_measures(image, mask.like(np.full_like(mask.array, label))) == {}


def test_two_slices_have_no_middle():
    measures = segment_measures(*stack(slices=2, tip=False))
    values = by_name(measures)
    assert values["mid anterior"]["wall_thickness_mm"] is None
    assert values["basal anterior"]["wall_thickness_mm"] == pytest.approx(9, abs=0.5)
    assert values["apex"]["infarct_transmurality_percent"] is None


def test_an_origin_counts_angles_from_the_septum_to_the_anterior_wall():
    image, mask = stack()
    origin = find_origin(mask.geometry, image.array, mask.array)
    assert origin.from_septum(np.array([180.0, 90.0, 0.0, 270.0])).tolist() == [0, 90, 180, 270]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_a_network_draws_is_measured_or_left_out(seed):
    """Noise, specks, slices without a cavity: numbers that JSON can hold, or none."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 6)), 24, 30)
    mask = rng.integers(0, 5, shape) * (rng.random(shape) < rng.choice([0.02, 0.3, 1.0]))
    geometry = Geometry(shape, (8.0, 1.5, 1.25))
    image = Volume(rng.normal(0, 1, shape), geometry)
    measures = segment_measures(image, Volume(mask.astype(np.uint8), geometry))
    json.dumps(measures, allow_nan=False)
    if measures:
        assert len(measures["segments"]["values"]) == 17
        shares = [v["infarct_transmurality_percent"] for v in measures["segments"]["values"]]
        assert all(share is None or 0 <= share <= 100 for share in shares)


def test_a_septum_that_somebody_saw_is_taken():
    told = segment_measures(*stack(septum_deg=140.0), septum_deg=140.0)["segments"]
    assert told["septum_deg"] == 140.0
    assert told["septum_sure"]
    assert set(told["territory_infarcted_percent"]) == set(TERRITORIES)
