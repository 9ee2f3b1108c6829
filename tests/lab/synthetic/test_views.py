import numpy as np
import pytest

from cmrseg_lab.synthetic.anatomy import draw_heart
from cmrseg_lab.synthetic.styles import CINE_STYLES, HELD_OUT_STYLES, LGE_STYLES, choose_style
from cmrseg_lab.synthetic.views import _gap, draw_pose, four_chamber, short_axis


@pytest.mark.parametrize("style", [*CINE_STYLES.values(), *HELD_OUT_STYLES.values()])
def test_stack_covers_the_ventricle_across_its_axis(style: object) -> None:
    rng = np.random.default_rng(2)
    heart = draw_heart(rng, "NOR")
    pose = draw_pose(rng, heart)
    view = short_axis(rng, heart, pose, style)  # type: ignore[arg-type]
    geometry = view.geometry
    assert geometry.direction.T @ geometry.direction == pytest.approx(np.eye(3), abs=1e-6)
    assert abs(geometry.direction[:, 0] @ pose.axes[2]) > 0.95
    length = heart.ed.epi.length_mm
    covered = (geometry.shape[0] - 1) * geometry.spacing_mm[0]
    assert length - 2.5 * geometry.spacing_mm[0] < covered < length + 6 * geometry.spacing_mm[0]
    assert 5 <= geometry.shape[0] <= 17
    assert 1 <= geometry.spacing_mm[1] <= 2


def test_no_stack_has_more_slices_than_a_technician_plans() -> None:
    style = HELD_OUT_STYLES["ge-1.5t"]
    for length_mm in (60.0, 100.0, 150.0, 250.0):
        gap_mm, count = _gap(8.0, length_mm, 4.0, style)
        assert gap_mm in style.gaps_mm
        assert 5 <= count <= 17


def test_late_stacks_start_at_the_apex_and_cine_at_the_base() -> None:
    for style, sign in ((LGE_STYLES["psir-1.5t"], 1), (CINE_STYLES["siemens-1.5t"], -1)):
        rng = np.random.default_rng(0)
        heart = draw_heart(rng, "NOR")
        pose = draw_pose(rng, heart)
        normal = short_axis(rng, heart, pose, style).geometry.direction[:, 0]
        assert np.sign(normal @ pose.axes[2]) == sign


def test_long_axis_slice_holds_the_long_axis() -> None:
    rng = np.random.default_rng(3)
    heart = draw_heart(rng, "NOR")
    pose = draw_pose(rng, heart)
    geometry = four_chamber(rng, heart, pose, CINE_STYLES["siemens-1.5t"]).geometry
    assert geometry.shape[0] == 1
    assert geometry.direction.T @ geometry.direction == pytest.approx(np.eye(3), abs=1e-6)
    base, apex = pose.to_patient((0, 0, 0)), pose.to_patient((0, 0, -heart.ed.epi.length_mm))
    for end in (base, apex):
        away = geometry.direction[:, 0] @ (end - np.array(geometry.origin_mm))
        assert abs(away) < 8


def test_training_stacks_span_the_ranges_of_real_ones() -> None:
    stacks = []
    for seed in range(250):
        rng = np.random.default_rng(seed)
        heart = draw_heart(rng, "RV" if seed % 2 else "LV")
        _, style = choose_style(rng, "mnms2", "in")
        stacks.append(short_axis(rng, heart, draw_pose(rng, heart), style).geometry)
    gaps, pixels = ([g.spacing_mm[axis] for g in stacks] for axis in (0, 1))
    counts = [g.shape[0] for g in stacks]
    assert (min(gaps), max(gaps)) == (5, 13)
    assert min(counts) <= 6
    assert 16 <= max(counts) <= 17
    assert 1.2 <= min(pixels) < 1.25
    assert 1.9 < max(pixels) <= 2


def test_breath_holds_move_slices_in_their_plane() -> None:
    rng = np.random.default_rng(5)
    heart = draw_heart(rng, "NOR")
    style = CINE_STYLES["siemens-1.5t"]
    views = [short_axis(rng, heart, draw_pose(rng, heart), style) for _ in range(60)]
    moved = [view.shifts_mm @ view.geometry.direction for view in views]  # slice, row, column
    assert all(np.abs(shift[:, 0]).max() < 1e-9 for shift in moved)
    in_plane = np.concatenate([shift[:, 1:] for shift in moved])
    assert in_plane.std() == pytest.approx(style.breath_mm, rel=0.1)
    assert abs(in_plane.mean()) < 0.2
    assert not four_chamber(rng, heart, draw_pose(rng, heart), style).shifts_mm.any()
