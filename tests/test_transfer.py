"""Only patients that no bundle learned from are scored, each as every bundle sees it."""

import pytest

from cmrseg import bundle, transfer
from cmrseg.errors import InputError
from cmrseg.imaging.read import read
from cmrseg.synthetic.record import Run, claim
from cmrseg.training.datasets import mnms2
from cmrseg.training.folds import held_out
from cmrseg.training.pack import pack
from cmrseg.transfer import Data
from tiny import heart, make_checkpoint, save, volume


@pytest.fixture
def folder(tmp_path):
    """Eight patients with both phases of the short axis."""
    for number in range(8):
        for phase in ("ED", "ES"):
            image = volume(number, slices=3)
            label = image.like(heart(number, image.array.shape)[1])
            stem = tmp_path / "data" / f"{number:03d}" / f"{number:03d}_SA_{phase}"
            save(stem.with_name(stem.name + ".nii.gz"), image)
            save(stem.with_name(stem.name + "_gt.nii.gz"), label)
    return tmp_path / "data"


def made(tmp_path, name, **training):
    """A bundle of one short-axis network."""
    path = make_checkpoint(tmp_path / "runs" / name, "mnms2-sa", **training)
    return pack("mnms2", [path], tmp_path / name)


def test_a_data_set_is_named_with_its_source_and_style():
    assert Data.parse("real=some/where:acdc:ge-1.5t").style == "ge-1.5t"
    plain = Data.parse("drawn=there")
    assert (plain.name, str(plain.folder), plain.source, plain.style) == ("drawn", "there", "", "")
    for wrong in ("nothing", "=x", "a=b:c:d:e"):
        with pytest.raises(ValueError, match="is not NAME="):
            Data.parse(wrong)


def test_patients_that_any_bundle_learned_from_are_left_out(tmp_path, folder):
    bundles = [
        bundle.find("mnms2", made(tmp_path, "a", fold=1, sources=["hospital"])),
        bundle.find("mnms2", made(tmp_path, "b", fold=None, sources=["synthetic"])),
    ]
    groups = {item.patient: item.group for item in mnms2(folder, "SA")}
    expected = held_out(groups, 1, 5, 2021)
    found = transfer.unseen(Data(name="real", folder=folder, source="hospital"), bundles)
    assert {item.patient for item in found} == expected
    assert 0 < len(expected) < 8
    everyone = transfer.unseen(Data(name="real", folder=folder), bundles)
    assert {item.patient for item in everyone} == set(groups)
    with pytest.raises(InputError, match="no patient of drawn is unseen"):
        transfer.unseen(Data(name="drawn", folder=folder, source="synthetic"), bundles)


def test_a_style_changes_the_images_and_no_label(tmp_path, folder):
    items = mnms2(folder, "SA")[:2]
    transfer.lay_out(items, tmp_path / "plain", "")
    transfer.lay_out(items, tmp_path / "styled", "low-field")
    for item in items:
        plain, styled = (
            read(tmp_path / kind / item.patient / item.image.name) for kind in ("plain", "styled")
        )
        assert plain.array.shape == styled.array.shape
        assert (plain.array != styled.array).mean() > 0.5
        label = tmp_path / "styled" / item.patient / item.label.name
        assert (read(label).array == read(item.label).array).all()


def test_the_table_has_a_row_a_bundle_and_a_part_a_data_set(tmp_path, folder):
    weights = {
        "real": made(tmp_path, "a", fold=1, sources=["hospital"], seed=1),
        "drawn": made(tmp_path, "b", fold=None, sources=["synthetic"], seed=2),
    }
    data = [
        Data(name="as it is", folder=folder, source="hospital"),
        Data(name="elsewhere", folder=folder, source="hospital", style="low-field"),
    ]
    text = transfer.transfer(weights, data, tmp_path / "work", device="cpu")
    # a row of scores for each data set, and of differences for all but the first bundle
    assert text.count("| real |") == 2
    assert text.count("| drawn |") == 4
    patients = len(
        {i.patient for i in transfer.unseen(data[0], [bundle.find("mnms2", weights["real"])])}
    )
    assert f"## as it is, {patients} patients" in text
    assert "6 steps on synthetic" in text
    assert "Dice of the RV 0.60, of the LV 0.75" in text  # without the aim nobody can judge it
    assert "of generation" not in text  # nobody drew these
    assert transfer.transfer(weights, data, tmp_path / "work", device="cpu") == text


def test_drawn_hearts_are_named_with_their_generation(tmp_path, folder):
    run = Run(challenge="mnms2", patients=8, seed=1, group=None, style="in", artefact=None)
    claim(run, folder)
    weights = {"one": made(tmp_path, "a", fold=1, sources=["hospital"])}
    drawn = Data(name="drawn", folder=folder, source="hospital")
    text = transfer.transfer(weights, [drawn], tmp_path / "work", device="cpu")
    assert f"patients of generation {run.generation}\n" in text


def test_differences_are_paired_by_patient_for_every_structure():
    def rows(**gain):
        dice = {"rv": (0.5, 0.9, 0.8), "lv": (0.7, 0.8, 0.9), "myo": (0.6, 0.6, 0.6)}
        return {
            case: {f"{s}_sa_dice": dice[s][at] + gain.get(s, 0) for s in dice}
            for at, case in enumerate(("1", "2", "3"))
        }

    first = rows()
    other = dict(reversed(rows(rv=0.1, lv=-0.05).items()))
    rv, lv, myo = transfer.gained({"a": first, "b": other})["b"]
    assert rv.startswith("+0.100 (+0.100 to +0.100)")
    assert lv.startswith("-0.050 (-0.050 to -0.050)")
    assert myo.startswith("+0.000")
    assert "p 1" in myo


def test_p_values_are_those_of_all_comparisons_together():
    cases = range(8)
    first = {str(n): {f"{s}_sa_dice": 0.5 for s in transfer.STRUCTURES} for n in cases}
    better = {str(n): {f"{s}_sa_dice": 0.6 + n / 100 for s in transfer.STRUCTURES} for n in cases}
    # eight of eight larger: 2 / 2^8 alone, three times that among three
    assert all("p 0.023" in words for words in transfer.gained({"a": first, "b": better})["b"])


def test_a_structure_that_nobody_found_has_no_difference():
    rows = {"1": {"rv_sa_dice": 0.5}, "2": {"rv_sa_dice": 0.6}}
    assert transfer.gained({"a": rows, "b": rows})["b"][1:] == ["-", "-"]
    assert transfer.gained({"a": rows}) == {}


def test_masks_of_other_hearts_are_not_gone_on_from(tmp_path, folder):
    items = mnms2(folder, "SA")[:2]
    for name, style in (("a", ""), ("b", ""), ("c", "low-field")):
        transfer.lay_out(items, tmp_path / name, style)
    a, b, c = (transfer.fingerprint(tmp_path / name) for name in "abc")
    assert a == b != c
