"""One thing is changed at a time; trainings are compared patient by patient; the page tells it."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from cmrseg import bundle
from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.reproduce.augmentation import __main__ as command
from cmrseg.reproduce.augmentation import measure as measuring
from cmrseg.reproduce.augmentation import page as pages
from cmrseg.reproduce.augmentation.gains import gains, mean, shown
from cmrseg.reproduce.augmentation.measure import DRAWN, cohorts, measure
from cmrseg.reproduce.augmentation.shifts import AROUND_MM, LIKE, NOISY, SHIFTS
from cmrseg.synthetic.styles import HELD_OUT_STYLES
from cmrseg.training.datasets import mnms2
from cmrseg.training.folds import held_out
from cmrseg.training.pack import pack
from tiny import heart, make_checkpoint, save_patients, volume

SPACING_MM = 1.5


def stack(array, spacing_mm=SPACING_MM):
    array = np.asarray(array)
    geometry = Geometry(shape=array.shape, spacing_mm=(8.0, spacing_mm, spacing_mm))
    return Volume(array, geometry)


def changed(name, image, truth=None, seed=0):
    truth = truth or image.like(np.zeros(image.array.shape, np.uint8))
    return SHIFTS[name].change(image, truth, np.random.default_rng(seed))


def test_noise_is_as_strong_as_the_style_says_and_nothing_else_changes():
    low, high = HELD_OUT_STYLES[NOISY].noise
    image = stack(np.full((2, 96, 96), 500, np.int16))
    found = []
    for seed in range(12):
        seen = changed("noise", image, seed=seed)[0].array
        assert seen.mean() == pytest.approx(500, abs=3)
        found.append(seen.std() / 500)
    assert low * 0.97 < min(found) < max(found) < high * 1.03
    assert max(found) - min(found) > (high - low) / 4


def test_a_contrast_curve_leaves_blood_and_the_order_of_greys():
    grey = np.broadcast_to(np.linspace(0, 1000, 96), (2, 96, 96)).astype(np.int16)
    seen = changed("contrast curve", stack(grey))[0].array
    assert (np.diff(seen[0, 0]) >= 0).all()
    bright = np.percentile(grey, 98)
    assert np.interp(bright, grey[0, 0], seen[0, 0]) == pytest.approx(bright, rel=1e-3)
    half = np.interp(bright / 2, grey[0, 0], seen[0, 0]) / bright
    low, high = HELD_OUT_STYLES[LIKE].gamma
    assert 0.5**high * 0.99 < half < 0.5**low * 1.01


def test_a_tight_cut_keeps_the_heart_in_its_place_and_its_surroundings():
    truth = np.zeros((3, 120, 100), np.uint8)
    truth[1, 50:70, 40:55] = 3
    image = np.random.default_rng(0).integers(0, 900, truth.shape).astype(np.int16)
    seen, label = changed("cut tightly", stack(image), stack(truth))
    around = round(AROUND_MM / SPACING_MM)
    assert seen.array.shape == (3, 20 + 2 * around, 15 + 2 * around)
    window = np.s_[:, 50 - around : 70 + around, 40 - around : 55 + around]
    assert (seen.array == image[window]).all()
    assert (label.array == truth[window]).all()
    assert label.geometry.same_as(seen.geometry)
    corner = np.array([[0], [50 - around], [40 - around]])
    first = stack(image).geometry.to_patient(corner)
    assert seen.geometry.to_patient(np.zeros((3, 1))) == pytest.approx(first)


def test_a_stack_without_a_heart_is_not_cut():
    image = stack(np.ones((2, 20, 20), np.int16))
    assert changed("cut tightly", image)[0] is image


def test_artefacts_add_copies_elsewhere_and_light_from_one_side():
    point = np.zeros((1, 96, 96), np.int16)
    point[0, 48, 30:60] = 1000
    seen = changed("artefacts", stack(point))[0].array[0]
    rows = seen[:, 30:60].sum(axis=1)
    assert (rows[:30] > 0.02 * rows.max()).any()  # nothing was there
    assert seen[48, 30] != pytest.approx(seen[48, 59], rel=0.05)


@pytest.mark.parametrize("name", [name for name in SHIFTS if name != "as they are"])
def test_every_shift_changes_the_image_by_its_seed_alone(name):
    image = volume(3)
    truth = image.like(heart(3, image.array.shape)[1])
    one, again = (changed(name, image, truth, seed=5) for _ in range(2))
    assert (one[0].array == again[0].array).all()
    assert one[1].array.max() == truth.array.max()
    same = one[0].array.shape == image.array.shape and (one[0].array == image.array).all()
    assert not same
    if name != "cut tightly":
        assert one[1] is truth


def rows(*dice):
    return {str(n): {"rv_dice": value} for n, value in enumerate(dice)}


def test_differences_are_paired_and_their_p_values_are_those_of_all_together():
    first = rows(*[0.5 + n / 100 for n in range(8)])
    better = rows(*[0.6 + n / 50 for n in range(8)])
    table = {"mild": first, "+ noise": dict(reversed(better.items())), "+ all": first}
    found = gains({"noise": table, "clean": table}, "rv_dice")
    assert list(found) == [(s, n) for s in ("noise", "clean") for n in ("+ noise", "+ all")]
    one = found["noise", "+ noise"]
    assert one.mean == pytest.approx(0.1 + 0.035)
    assert one.p == pytest.approx(4 * 2 / 2**8)  # four comparisons, all eight patients larger
    assert shown(one)
    assert not shown(found["clean", "+ all"])
    assert mean(first, "rv_dice") == pytest.approx(0.535)


def test_findings_tell_what_is_shown_from_what_is_only_hinted_at():
    first = rows(*[0.5] * 8)
    one = {"mild": first, "+ noise": rows(*[0.6 + n / 50 for n in range(8)])}
    other = {"mild": first, "+ noise": rows(0.4, 0.4, 0.45, 0.45, 0.45, 0.5, 0.5, 0.5)}
    none = {"mild": first, "+ noise": first}
    for table in (one, other, none):  # the myocardium as the RV
        for found in table.values():
            found.update({n: {**row, "myo_dice": row["rv_dice"]} for n, row in found.items()})
    told = pages._findings({"a": one, "b": other, "c": none}, "mild")
    assert told.splitlines()[-1] == (
        "- **+ noise**: RV Dice better on a (+0.170); RV Dice perhaps worse on b (-0.044); "
        "no difference of RV Dice shown on c; MYO Dice better on a (+0.170)."
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight patients with both phases of the short axis."""
    return save_patients(tmp_path_factory.mktemp("data"))


def made(folder, name, **training):
    path = make_checkpoint(folder / "runs" / name, "mnms2-sa", **training)
    return pack("mnms2", [path], folder / name)


def test_unseen_patients_are_shown_in_one_phase_each_and_others_are_drawn(tmp_path, folder):
    found = bundle.find("mnms2", made(tmp_path, "a", fold=1, sources=["hospital"]))
    all_shown = cohorts(folder, "hospital", folder, [found])
    assert [cohort.name for cohort in all_shown] == [*SHIFTS, DRAWN]
    groups = {item.patient: item.group for item in mnms2(folder, "SA")}
    shown_patients = {item.patient for item in all_shown[0].patients}
    assert shown_patients == held_out(groups, 1, 5, 2021)
    drawn = all_shown[-1].patients
    assert [item.role for item in drawn] == ["SA_ED", "SA_ES"] * 4
    assert [item.patient for item in drawn] == sorted(groups)


@pytest.mark.parametrize(("slices", "kept"), [(10, [1, 4, 7]), (3, [0, 1, 2]), (2, [0, 1])])
def test_a_few_slices_from_base_to_apex_stay_where_they_were(slices, kept):
    whole = stack(np.broadcast_to(np.arange(slices)[:, None, None], (slices, 4, 4)))
    thin = measuring._thinned(whole)
    assert thin.array[:, 0, 0].tolist() == kept
    index = np.array([kept, [0] * len(kept), [0] * len(kept)])
    own = np.array([range(len(kept)), [0] * len(kept), [0] * len(kept)])
    assert thin.geometry.to_patient(own) == pytest.approx(whole.geometry.to_patient(index))


def test_scores_are_kept_and_only_new_trainings_are_computed(tmp_path, folder, monkeypatch):
    places = [made(tmp_path, name, fold=1, sources=["hospital"], seed=n)
              for n, name in enumerate("ab")]  # fmt: skip
    bundles = {name: bundle.find("mnms2", p) for name, p in zip("ab", places, strict=True)}
    cohort = cohorts(folder, "hospital", folder, list(bundles.values()))[-1]
    cohort = replace(cohort, patients=cohort.patients[:3])
    work, computed = tmp_path / "work", []
    compute = measuring._computed
    monkeypatch.setattr(
        measuring, "_computed", lambda s, c: computed.append(sorted(s)) or compute(s, c)
    )
    options = {"device": "cpu", "precision": "fp32"}
    first = measure({"a": bundles["a"]}, cohort, work, **options)
    both = measure(bundles, cohort, work, **options)
    assert computed == [["a"], ["b"]]
    assert both["a"] == first["a"]
    assert both == measure(bundles, cohort, work, **options)
    assert len(computed) == 2
    assert set(both["b"]) == {"1", "2", "3"}
    assert {"rv_dice", "lv_dice", "myo_dice", "rv_hd_mm"} < set(both["b"]["1"])


def test_the_page_tells_of_every_training_and_shift(tmp_path, folder, capsys):
    weights = {"mild": "a", "+ noise": "b"}
    arguments = [str(tmp_path / "page"), "--data", str(folder), "--source", "hospital"]
    arguments += ["--drawn", str(folder), "--work", str(tmp_path / "work")]
    arguments += ["--device", "cpu", "--precision", "fp32", "--note", "All began alike."]
    with pytest.raises(SystemExit):
        command.main([*arguments, "--weights", "mild=nowhere"])
    assert "two trainings at least" in capsys.readouterr().err
    for seed, (name, short) in enumerate(weights.items()):
        place = made(tmp_path, short, fold=1, sources=["hospital"], seed=seed)
        arguments += ["--weights", f"{name}={place}"]
    command.main(arguments)
    page = (tmp_path / "page" / "README.md").read_text(encoding="utf-8")
    assert "- **+ noise**: " in page
    assert "All began alike." in page
    assert "generation" not in page  # nobody drew these
    assert page.count("| mild |") == 3  # two tables of means, one of trainings
    with (tmp_path / "page" / "differences.csv").open(encoding="utf-8") as file:
        lines = list(csv.reader(file))
    assert [line[:2] for line in lines[1:]] == [[name, "+ noise"] for name in (*SHIFTS, DRAWN)]
    assert (tmp_path / "page" / "differences.png").stat().st_size > 5000
