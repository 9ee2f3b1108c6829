import numpy as np
import pytest

from cmrseg_lab.synthetic import exam
from cmrseg_lab.synthetic.cardiac import Shares
from cmrseg_lab.synthetic.exam import cine_labels, emidec_labels
from cmrseg_lab.synthetic.patient import SyntheticPatient, draw_patient
from cmrseg_lab.synthetic.points import Points, Window
from cmrseg_lab.synthetic.views import View


def through(*samples: float) -> np.ndarray:
    """One voxel, seen at some points through its slice."""
    return np.array(samples, np.float32)[:, None, None]


def shares(cavity: np.ndarray, wall: np.ndarray, rv: np.ndarray, **dead: np.ndarray) -> Shares:
    return Shares(cavity=cavity, wall=wall, rv=rv, **dead)


def test_labels_go_to_the_majority_through_the_slice() -> None:
    no, yes = through(0, 0, 0), through(1, 1, 1)
    most, some = through(1, 1, 0), through(0, 0, 1)
    for parts, label in (
        ((yes, no, no), 1),
        ((no, yes, no), 2),
        ((no, no, yes), 3),
        ((some, most, no), 2),
        ((most, some, no), 1),
        ((no, some, most), 3),
        ((some, some, some), 1),  # as much of each: the first
        ((some, no, no), 0),  # a third is no majority
        ((through(0.5, 0.5, 0.5), no, no), 0),
        ((through(0.3, 0.3, 0.3), through(0.4, 0.4, 0.4), no), 2),
    ):
        assert cine_labels(shares(*parts)).item() == label


def test_dead_muscle_goes_to_the_majority_of_the_wall() -> None:
    no, yes, half, most = (through(*[v] * 3) for v in (0, 1, 0.5, 0.6))
    for dead, core, label in ((no, no, 2), (half, no, 2), (most, no, 3), (yes, most, 4)):
        found = emidec_labels(shares(no, yes, no, infarct=dead, no_reflow=core))
        assert found.item() == label
    assert emidec_labels(shares(yes, no, no, infarct=no, no_reflow=no)).item() == 1
    assert emidec_labels(shares(no, no, yes)).item() == 0  # the RV has no label there


def test_one_patient_seen_at_two_moments_lies_in_one_place() -> None:
    patient = draw_patient("mnms2", 8, group="NOR", style="siemens-1.5t")
    for view in ("SA", "LA"):
        ed, es = (patient.images[f"{view}_{phase}"] for phase in ("ED", "ES"))
        assert ed.geometry.same_as(es.geometry)
        assert not np.array_equal(ed.array, es.array)
    for images, view in ((patient.labels, "SA"), (patient.labels, "LA")):
        ed, es = (images[f"{view}_{phase}"].array for phase in ("ED", "ES"))
        assert (es == 1).sum() < 0.8 * (ed == 1).sum()


@pytest.mark.parametrize(
    ("challenge", "seed", "group"),
    [
        ("mnms2", 12, "LV"),  # long ventricle: its apex lies far from the base
        ("mnms2", 20, "RV"),  # thick pads of fat
        ("mnms2", 25, "HCM"),
        ("emidec", 32, "N"),
    ],
)
def test_nothing_of_the_heart_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, challenge: str, seed: int, group: str
) -> None:
    def drawn() -> SyntheticPatient:
        return draw_patient(challenge, seed, group=group)

    def nothing(scene: object, view: View, z: int, bias: float) -> tuple[np.ndarray, np.ndarray]:
        empty = np.zeros(view.geometry.shape[1:], np.float32)
        return empty, empty + 1

    monkeypatch.setattr(exam, "_surroundings", nothing)
    found = drawn()

    def all_of_it(points: Points, heart: object, phases: object) -> Window:
        rows, columns = points.shape
        return slice(None), slice(0, rows), slice(0, columns)

    monkeypatch.setattr(exam, "_covered", all_of_it)
    whole = drawn()
    for role, image in found.images.items():
        difference = np.abs(image.array.astype(int) - whole.images[role].array)
        assert difference.max() <= 0.02 * image.array.max()  # grains at the edge of rounding
        assert (difference > 1).mean() < 1e-3
        assert np.array_equal(found.labels[role].array, whole.labels[role].array)
