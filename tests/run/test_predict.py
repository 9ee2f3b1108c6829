"""From a folder of images to verified masks, with a real bundle of tiny untrained networks."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from cmrseg.cli import main
from cmrseg.imaging import Geometry, Orientation, Volume, canonical, read
from cmrseg.models import bundle, ensemble
from cmrseg.quality.inspector import Inspector
from cmrseg.quality.uncertainty.dice_bound import DiceBound
from cmrseg.recipes.steps import prepared_image
from cmrseg.run.batch import Chosen, Shard
from cmrseg.run.predict import model, predict
from cmrseg.runtime import SPINS, Budget, share_cpus
from cmrseg.runtime.errors import (
    EXIT_INPUT,
    EXIT_OK,
    EXIT_PARTIAL,
    EXIT_WEIGHTS,
    UsageError,
    WeightsError,
)
from cmrseg_lab.training import checkpoint
from cmrseg_lab.training.pack import pack, write_manifest
from tiny import heart, make_checkpoint, save, volume

ROLES = ("SA_ED", "SA_ES", "LA_ED", "LA_ES")


@pytest.fixture(autouse=True)
def fp32(monkeypatch):
    """No timing decides: every test computes in full precision."""
    monkeypatch.setattr(ensemble, "usual_precision", lambda device: "fp32")


@pytest.fixture
def run(bundles, tmp_path):
    """predict() into ``tmp_path/out`` with the tiny bundle."""

    def go(challenge, source, *, out="out", **options):
        sockets = any((Path(source) / name).exists() for name in ("inputs.json", "images"))
        options = {
            "weights": bundles,
            "device": "cpu",
            "save_uncertainty": not sockets,
            **options,
        }
        return predict(challenge, source, tmp_path / out, **options)

    return go


def long_axis(seed=0):
    return volume(seed, slices=1)


def emidec_folders(root):
    return {
        f"{case}/Contours/{case}.nii.gz": save(root / case / "Images" / f"{case}.nii.gz", image)
        for case, image in (("Case_P001", volume(1)), ("Case_N002", volume(2, slices=6)))
    }


def mnms2_folders(root):
    return {
        f"001/001_{role}_pred.nii.gz": save(
            root / "001" / f"001_{role}.nii.gz", volume(n) if role[:2] == "SA" else long_axis(n)
        )
        for n, role in enumerate(ROLES)
    }


def lge_socket(root):
    slug = "delayed-enhancement-mri"
    (root / "inputs.json").parent.mkdir(parents=True, exist_ok=True)
    (root / "inputs.json").write_text(json.dumps([{"socket": {"slug": slug}}]))
    image = save(root / "images" / slug / "8b1f.mha", volume(3))
    return {"images/delayed-enhancement-segmentation/output.mha": image}


def cine_sockets(root):
    slugs = [role.lower().replace("_", "-") for role in ROLES]
    root.mkdir(parents=True, exist_ok=True)
    told = [{"interface": {"slug": f"{slug}-cine-mri"}} for slug in slugs]
    (root / "inputs.json").write_text(json.dumps(told))
    return {
        f"images/{slug}-segmentation/output.mha": save(
            root / "images" / f"{slug}-cine-mri" / "1.mha",
            volume(n) if slug.startswith("sa") else long_axis(n),
        )
        for n, slug in enumerate(slugs)
    }


def plain_folder(root):
    return {
        "one_seg.nii.gz": save(root / "one.nii.gz", volume(4)),
        "two_seg.mha": save(root / "two.mha", volume(5)),
    }


LAYOUTS = [
    ("emidec", emidec_folders, range(5)),
    ("emidec", lge_socket, range(5)),
    ("emidec", plain_folder, range(5)),
    ("mnms2", mnms2_folders, (0, 1, 2, 3)),
    ("mnms2", cine_sockets, range(4)),
    ("mnms2", plain_folder, range(4)),
]


@pytest.mark.parametrize(("challenge", "layout", "allowed"), LAYOUTS)
def test_every_layout_gets_masks_on_its_own_voxels(challenge, layout, allowed, run, tmp_path):
    expected = layout(tmp_path / "in")
    assert run(challenge, tmp_path / "in", samples=2, mirrors=2) == EXIT_OK
    seen = Counter()
    for name, source in expected.items():
        mask, image = read(tmp_path / "out" / name), read(source)
        assert mask.array.dtype == np.uint8
        assert mask.geometry.same_as(image.geometry)
        values, counts = np.unique(mask.array, return_counts=True)
        assert set(values) <= set(allowed)
        seen.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    assert len(seen) > 1, "an untrained network still sees something"
    for path in (tmp_path / "out").rglob("*variance*"):
        assert np.isfinite(read(path).array).all()
    results = [*(tmp_path / "out").glob("summary.json"), *(tmp_path / "out").glob("results.json")]
    assert len(results) == 1
    json.loads(results[0].read_text(), parse_constant=pytest.fail)


def test_maps_and_probabilities_are_written_on_request(run, tmp_path):
    (image,) = [save(tmp_path / "in" / "imagesTs" / "p_SA_ED_0000.nii.gz", volume(4))]
    assert run("mnms2", tmp_path / "in", save_uncertainty=False) == EXIT_OK
    out = tmp_path / "out"
    assert {p.name for p in out.rglob("*.nii.gz")} == {"p_SA_ED.nii.gz"}
    assert json.loads((out / "dataset.json").read_text())["labels"]["RV"] == 3
    assert run("mnms2", tmp_path / "in", save_probabilities=True, resume=True) == EXIT_OK
    maps = {p.name.removeprefix("p_SA_ED_").split(".")[0] for p in out.glob("uncertainty/*")}
    assert maps == {"entropy", *(f"probability-{name}" for name in ("LV", "MYO", "RV"))}
    shares = [
        read(out / f"uncertainty/p_SA_ED_probability-{name}.nii.gz") for name in ("LV", "MYO", "RV")
    ]
    assert all(one.array.dtype == np.uint8 for one in shares)
    assert all(one.geometry.same_as(read(image).geometry) for one in shares)
    foreground = np.sum([one.array.astype(int) for one in shares], axis=0)
    assert foreground.max() <= 255 + len(shares)
    mask = read(out / "p_SA_ED.nii.gz").array
    assert (foreground[mask > 0] > 255 * 0.4).all(), "a structure is where it is likely"


def test_emidec_tells_volumes_and_uncertainty(run, tmp_path):
    emidec_folders(tmp_path / "in")
    assert run("emidec", tmp_path / "in", samples=3, mirrors=1) == EXIT_OK
    for case in json.loads((tmp_path / "out/summary.json").read_text())["cases"]:
        mask = read(tmp_path / "out" / case["case"] / "Contours" / f"{case['case']}.nii.gz")
        ml = case["measures"]["volume_ml"]
        voxel_ml = mask.geometry.voxel_ml
        assert ml["cavity"] == pytest.approx((mask.array == 1).sum() * voxel_ml, abs=0.01)
        assert ml["myocardium"] == pytest.approx((mask.array >= 2).sum() * voxel_ml, abs=0.01)
        uncertainty = case["measures"]["uncertainty"]
        assert 0 < uncertainty["image_level"] < 0.25
        assert all(0 <= d <= 1 for d in uncertainty["dice_within_samples"].values())
        folder = tmp_path / "out" / case["case"] / "Uncertainty"
        variance = read(folder / f"{case['case']}_variance.nii.gz")
        assert variance.geometry.same_as(mask.geometry)
        assert variance.array.max() > 0
        assert case["timings_s"]["network"] > 0
        for name, told in case["measures"]["volume_ml_interval"].items():
            assert 0 <= told["low"] <= told["mean"] <= told["high"]
            assert name != "infarction" or told["mean"] > 0
        share = case["measures"]["infarcted_percent_interval"]
        assert 0 <= share["low"] <= share["mean"] <= share["high"] <= 100
        assert "of 3 dropout samples" in case["measures"]["interval"]
        assert "rules" not in case["measures"], "the bundle has none"


def test_without_samples_there_is_no_uncertainty(run, tmp_path):
    emidec_folders(tmp_path / "in")
    assert run("emidec", tmp_path / "in", samples=0, mirrors=1) == EXIT_OK
    assert not list((tmp_path / "out").rglob("Uncertainty"))
    cases = json.loads((tmp_path / "out/summary.json").read_text())["cases"]
    assert all("uncertainty" not in case["measures"] for case in cases)


@pytest.mark.parametrize(("challenge", "role"), [("emidec", ""), ("mnms2", "_SA_ED")])
def test_threads_and_the_order_of_cases_change_no_byte_of_a_mask(
    run, tmp_path, monkeypatch, challenge, role
):
    """The same images under names that sort the other way, by two threads instead of one."""
    for n, (name, other) in enumerate((("a", "z"), ("b", "y"), ("c", "x"))):
        save(tmp_path / "in" / f"{name}{role}.nii.gz", volume(n, slices=4 + n))
        save(tmp_path / "turned" / f"{other}{role}.nii.gz", volume(n, slices=4 + n))
    assert run(challenge, tmp_path / "in", out="one", samples=2, mirrors=2) == EXIT_OK
    monkeypatch.setattr("cmrseg.runtime.device.cpu_limit", lambda: 2)
    assert run(challenge, tmp_path / "turned", out="two", samples=2, mirrors=2) == EXIT_OK
    written = sorted((tmp_path / "one").glob("*.nii.gz"))
    assert len(written) >= 3
    for path in written:
        twin = {"a": "z", "b": "y", "c": "x"}[path.name[0]] + path.name[1:]
        other = tmp_path / "two" / twin
        if "entropy" in path.name or "variance" in path.name:  # rounding follows the threads
            np.testing.assert_allclose(read(path).array, read(other).array, atol=1e-5)
        else:
            assert path.read_bytes() == other.read_bytes(), path.name


def test_the_paper_s_rule_is_part_of_what_decides_a_result(run, tmp_path):
    """A run that chooses otherwise takes nothing from an earlier one's account."""
    save(tmp_path / "in" / "a_SA_ED.nii.gz", volume())
    pages = tmp_path / "out" / ".cmrseg"
    keys = []
    for tie in (0.005, 0.0, 0.005):
        assert run("mnms2", tmp_path / "in", tie=tie, mirrors=1) == EXIT_OK
        keys.append(json.loads(next(pages.glob("*.json")).read_text())["key"])
    assert keys[0] == keys[2] != keys[1]


STORED = [
    Orientation(axes=(0, 1, 2), flipped=(True, False, False)),
    Orientation(axes=(0, 1, 2), flipped=(False, True, True)),
    Orientation(axes=(0, 2, 1), flipped=(False, False, True)),
    Orientation(axes=(1, 2, 0), flipped=(False, False, False)),
    Orientation(axes=(2, 0, 1), flipped=(True, True, False)),
    Orientation(axes=(2, 1, 0), flipped=(True, True, True)),
]


def stored_as(image: Volume, way: Orientation) -> Volume:
    """The same image in the same place, its axes swapped and flipped in the file."""
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
    return Volume(way.forth(image.array), geometry)


@pytest.mark.parametrize("challenge", ["emidec", "mnms2"])
def test_however_axes_are_stored_the_mask_is_the_same_in_the_patient(challenge, run, tmp_path):
    image = volume(6)
    names = [save(tmp_path / "in" / "p0.nii.gz", image)]
    for n, way in enumerate(STORED, 1):
        names.append(save(tmp_path / "in" / f"p{n}.nii.gz", stored_as(image, way)))
    assert run(challenge, tmp_path / "in", samples=0, mirrors=1) == EXIT_OK
    masks = [read(tmp_path / "out" / f"p{n}_seg.nii.gz") for n in range(len(names))]
    assert masks[1].array.shape == image.array.shape
    assert masks[4].array.shape == (40, 44, 4)
    first, _ = canonical(masks[0])
    assert len(np.unique(first.array)) > 2
    for mask in masks[1:]:
        turned, _ = canonical(mask)
        assert turned.geometry.same_as(first.geometry)
        np.testing.assert_array_equal(turned.array, first.array)


def test_output_that_is_not_finite_in_half_precision_is_computed_again(tmp_path, monkeypatch):
    """Weights whose activations overflow fp16 (65504) and nothing else."""
    path = make_checkpoint(tmp_path / "run", "mnms2-sa", seed=3)
    tensors = load_file(path)
    tensors["network.encoder.0.first.conv.weight"] *= 5e4
    save_file(tensors, path, metadata={"state": json.dumps(checkpoint.read_state(path))})
    weights = pack("mnms2", [path], tmp_path / "mnms2")
    save(tmp_path / "in" / "a_SA_ED.nii.gz", volume(1))
    masks, warnings = {}, {}
    for precision in ("fp32", "fp16"):
        monkeypatch.setattr(ensemble, "usual_precision", lambda d, p=precision: p)
        out = tmp_path / precision
        assert predict("mnms2", tmp_path / "in", out, weights=weights, device="cpu") == EXIT_OK
        masks[precision] = read(out / "a_SA_ED_seg.nii.gz").array
        (case,) = json.loads((out / "summary.json").read_text())["cases"]
        warnings[precision] = [one for one in case["warnings"] if one not in case["review"]]
    assert warnings["fp32"] == []
    (warning,) = warnings["fp16"]
    assert "SA_ED: a network's output was not finite in half precision" in warning
    assert len(np.unique(masks["fp32"])) > 1
    np.testing.assert_array_equal(masks["fp16"], masks["fp32"])


def test_twenty_cases_load_the_bundle_once(run, tmp_path, monkeypatch):
    calls = Counter()

    def counted(owner, name):
        original = getattr(owner, name)

        def count(*args, **kwargs):
            calls[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, count)

    counted(bundle, "load")
    counted(bundle.Bundle, "tensors")
    counted(ensemble, "UNet")
    for n in range(20):
        save(tmp_path / "in" / f"p{n:02d}.mha", volume(n, slices=2))
    assert run("emidec", tmp_path / "in", samples=0, mirrors=1) == EXIT_OK
    assert len(list((tmp_path / "out").glob("*_seg.mha"))) == 20
    assert calls == {"load": 1, "tensors": 1, "UNet": 1}


def test_one_phase_alone_is_segmented_without_an_ejection_fraction(run, tmp_path):
    save(tmp_path / "in/001/001_SA_ED.nii.gz", volume(1))
    for phase in ("ED", "ES"):
        save(tmp_path / f"in/002/002_SA_{phase}.nii.gz", volume(2))
    assert run("mnms2", tmp_path / "in", mirrors=1) == EXIT_OK
    one, both = json.loads((tmp_path / "out/summary.json").read_text())["cases"]
    assert one["notes"] == ["SA_ES not given", "no long axis given"]
    assert set(one["measures"]) == {"SA_ED", "mass_g"}
    # Twice the same image is one phase twice: nothing is known of what was ejected.
    assert set(both["measures"]) == {"SA_ED", "SA_ES"}
    assert any("same image" in reason for reason in both["review"])
    assert (tmp_path / "out/001/001_SA_ED_pred.nii.gz").is_file()


def test_a_long_axis_stack_is_refused_and_a_transposed_slice_is_not(run, tmp_path, capsys):
    save(tmp_path / "in/001/001_LA_ED.nii.gz", volume(1, slices=5))
    turned = stored_as(long_axis(2), Orientation(axes=(1, 2, 0), flipped=(False,) * 3))
    assert turned.array.shape == (40, 44, 1)
    save(tmp_path / "in/002/002_LA_ED.nii.gz", turned)
    assert run("mnms2", tmp_path / "in", mirrors=1, labels="all") == EXIT_PARTIAL
    told = "case 001: LA_ED: a long-axis image has 5 slices, not one."
    assert capsys.readouterr().err.startswith(told)
    assert not (tmp_path / "out/001").exists()
    mask = read(tmp_path / "out/002/002_LA_ED_pred.nii.gz")
    (_, case) = json.loads((tmp_path / "out/summary.json").read_text())["cases"]
    area_cm2 = (mask.array == 1).sum() * 1.25 * 1.3 / 100
    assert case["measures"]["LA_ED"]["area_cm2"]["LV"] == pytest.approx(area_cm2, abs=0.01)


def with_nan(image):
    array = image.array.astype(np.float32)
    array[1, 5, 5] = np.nan
    return image.like(array)


def constant(image):
    return image.like(np.full_like(image.array, 7))


def labels(image):
    return image.like(heart(0)[1])


def spaced(in_plane_mm):
    def change(image):
        spacing = (image.geometry.spacing_mm[0], in_plane_mm, in_plane_mm)
        return replace(image, geometry=replace(image.geometry, spacing_mm=spacing))

    return change


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (with_nan, "1 voxels that are NaN or infinite"),
        (constant, "every voxel of the image is 7"),
        (labels, "a label file where an image should be"),
        (spaced(50.0), "the field of view is 2e+03 x 2.2e+03 mm"),
        (spaced(4000.0), "the field of view is 1.6e+05 x 1.76e+05 mm"),
        (spaced(0.0015), "the field of view is 0.06 x 0.066 mm"),
    ],
)
@pytest.mark.parametrize("challenge", ["emidec", "mnms2"])
def test_bad_images_are_told_in_a_line_and_cost_only_themselves(
    challenge, fault, told, run, tmp_path, capsys
):
    save(tmp_path / "in/bad.nii.gz", fault(volume(0)))
    save(tmp_path / "in/good.nii.gz", volume(1))
    assert run(challenge, tmp_path / "in", samples=0, mirrors=1) == EXIT_PARTIAL
    role = "LGE" if challenge == "emidec" else "SA_ED"
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"case 1 of 2: {role}: ")
    assert told in first
    assert last.startswith("1 of 2 cases failed")
    assert not list((tmp_path / "out").glob("bad*"))
    assert (tmp_path / "out/good_seg.nii.gz").is_file()


def test_one_bad_case_alone_ends_with_the_inputs_code(run, tmp_path, capsys):
    save(tmp_path / "in/bad.nii.gz", spaced(50.0)(volume(0)))
    assert run("emidec", tmp_path / "in") == EXIT_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert "write the true voxel spacing" in line


def test_altered_or_missing_weights_end_the_command_before_any_case(bundles, tmp_path, capsys):
    save(tmp_path / "in/p.nii.gz", volume(1))
    spoiled = shutil.copytree(bundles / "emidec", tmp_path / "spoiled")
    card = spoiled / "MODEL_CARD.md"
    card.write_text(card.read_text() + "Cleared for clinical use.\n")
    for weights in (spoiled, tmp_path / "nowhere", bundles / "mnms2"):
        command = ["predict", "emidec", str(tmp_path / "in"), str(tmp_path / "out")]
        assert main.main([*command, "--weights", str(weights)]) == EXIT_WEIGHTS
        told = capsys.readouterr()
        (line,) = told.err.splitlines()
        assert line.startswith("cmrseg: ")
        assert told.out == ""
        assert not list((tmp_path / "out").iterdir())


def test_weights_that_do_not_fit_the_networks_are_told(bundles, tmp_path):
    save(tmp_path / "in/p.nii.gz", volume(1))
    faults = {
        "features": {"features": [4, 8, 16]},
        "unknown": {"attention": True},
        "stages": {"across": [True]},
    }
    for name, changed in faults.items():
        folder = shutil.copytree(bundles / "emidec", tmp_path / name)
        manifest = json.loads((folder / bundle.MANIFEST).read_text())
        manifest["networks"][0]["config"] |= changed
        write_manifest(folder, manifest)
        with pytest.raises(WeightsError, match="do not fit"):
            predict("emidec", tmp_path / "in", tmp_path / "out", weights=folder, device="cpu")


def test_a_bundle_without_networks_is_told(bundles, tmp_path):
    save(tmp_path / "in/p.nii.gz", volume(1))
    folder = shutil.copytree(bundles / "emidec", tmp_path / "hollow")
    manifest = json.loads((folder / bundle.MANIFEST).read_text())
    write_manifest(folder, manifest | {"networks": []})
    with pytest.raises(WeightsError, match="has no network"):
        predict("emidec", tmp_path / "in", tmp_path / "out", weights=folder, device="cpu")


def test_a_view_without_a_network_is_left_out_with_a_warning(tmp_path, capsys):
    weights = pack("mnms2", [make_checkpoint(tmp_path / "r", "mnms2-sa")], tmp_path / "mnms2")
    save(tmp_path / "in/001/001_LA_ED.nii.gz", long_axis(1))
    save(tmp_path / "in/001/001_SA_ED.nii.gz", volume(1))
    options = {"weights": weights, "device": "cpu", "mirrors": 1}
    assert predict("mnms2", tmp_path / "in", tmp_path / "out", **options) == EXIT_OK
    assert "LA_ED: not segmented, the bundle has no network for its view" in capsys.readouterr().out
    assert [p.name for p in (tmp_path / "out").rglob("*_pred*")] == ["001_SA_ED_pred.nii.gz"]
    (tmp_path / "in/001/001_SA_ED.nii.gz").unlink()
    assert predict("mnms2", tmp_path / "in", tmp_path / "none", **options) == EXIT_WEIGHTS
    assert "case 001: the bundle has no network for LA_ED" in capsys.readouterr().err


def test_networks_of_a_view_are_averaged(tmp_path, run):
    """Two networks' mean: the entropy of a map made of both differs from either's."""
    paths = [make_checkpoint(tmp_path / f"r{s}", "mnms2-sa", seed=s) for s in (3, 4)]
    save(tmp_path / "in/a_SA_ED.nii.gz", volume(1))
    entropies = []
    for name, chosen in (("one", paths[:1]), ("other", paths[1:]), ("both", paths)):
        weights = pack("mnms2", chosen, tmp_path / name)
        out = tmp_path / f"o{name}"
        predict("mnms2", tmp_path / "in", out, weights=weights, device="cpu", save_uncertainty=True)
        entropies.append(read(tmp_path / f"o{name}" / "a_SA_ED_entropy.nii.gz").array)
    one, other, both = entropies
    # Entropy is concave: the mean's is at least the mean of the entropies.
    assert (both >= (one + other) / 2 - 1e-3).all()
    assert np.abs(both - one).max() > 0.01


def summary(folder, stem="summary"):
    return json.loads((folder / f"{stem}.json").read_text())


def test_how_a_result_came_about_is_told(run, tmp_path, bundles):
    emidec_folders(tmp_path / "in")
    options = {"samples": 2, "mirrors": 2, "precision": "bf16"}
    assert run("emidec", tmp_path / "in", **options) == EXIT_OK
    for case in summary(tmp_path / "out")["cases"]:
        assert case["computed"] == {
            "device": "cpu",
            "precision": "bf16",
            "threads": 1,
            "mirrors": 2,
            "samples": 2,
            "bundle": bundle.find("emidec", bundles).digest,
        }
    header, *rows = (tmp_path / "out/details.csv").read_text().splitlines()
    assert "device,precision,threads,mirrors,samples,bundle" in header
    assert all(",cpu,bf16,1,2,2," in row for row in rows)


def test_a_socket_case_tells_it_in_its_results_and_leaves_nothing_else(run, tmp_path):
    (mask,) = lge_socket(tmp_path / "in")
    assert run("emidec", tmp_path / "in", samples=2, mirrors=1) == EXIT_OK
    left = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")}
    files = {name for name in left if "." in name}
    uncertainty = "images/delayed-enhancement-uncertainty/output.mha"
    assert files == {mask, uncertainty, "results.json"}
    computed = json.loads((tmp_path / "out/results.json").read_text())["computed"]
    assert (computed["mirrors"], computed["samples"], computed["precision"]) == (1, 2, "fp32")
    for options in ({"resume": True}, {"shard": Shard(1, 2)}):
        with pytest.raises(UsageError, match="one case a call"):
            run("emidec", tmp_path / "in", **options)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_precision_is_as_asked_for(run, tmp_path, precision):
    emidec_folders(tmp_path / "in")
    options = {"samples": 0, "mirrors": 1, "precision": precision}
    assert run("emidec", tmp_path / "in", **options) == EXIT_OK
    assert {c["computed"]["precision"] for c in summary(tmp_path / "out")["cases"]} == {precision}


def test_a_short_time_budget_costs_mirrors_and_samples_and_says_so(run, tmp_path, capsys):
    mnms2_folders(tmp_path / "in")
    assert run("mnms2", tmp_path / "in", time_budget=1e-3) == EXIT_OK
    (case,) = summary(tmp_path / "out")["cases"]
    said = "the time budget is short: 1 of 4 mirror images"
    # Untrained networks may find no ventricle either, which they warn of too.
    assert [w for w in case["warnings"] if "budget" in w] == [f"{r}: {said}" for r in ROLES]
    assert case["computed"]["mirrors"] == 1
    assert f"case 001: warning: SA_ED: {said}" in capsys.readouterr().out
    assert run("mnms2", tmp_path / "in", time_budget=1e6) == EXIT_OK
    (case,) = summary(tmp_path / "out")["cases"]
    assert not [w for w in case["warnings"] if "budget" in w]
    assert case["computed"]["mirrors"] == 4


def test_the_start_up_counts_for_the_first_case_alone(run, tmp_path, monkeypatch):
    """Whatever the models' loading took is gone from the first case's time."""
    left = []

    def watched(self, pass_s, share=1.0):
        left.append(self.left_s)
        return 0

    now = [0.0]
    load = bundle.Bundle.tensors
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    monkeypatch.setattr(bundle.Bundle, "tensors", lambda *a: now.__setitem__(0, 40.0) or load(*a))
    monkeypatch.setattr(Budget, "further_passes", watched)
    emidec_folders(tmp_path / "in")
    assert run("emidec", tmp_path / "in", samples=0, time_budget=100.0) == EXIT_OK
    assert left == [60.0, 100.0]


def test_an_unreadable_image_costs_itself_alone(run, tmp_path, capsys):
    expected = mnms2_folders(tmp_path / "in")
    assert run("mnms2", tmp_path / "in", mirrors=1) == EXIT_OK
    assert len(list((tmp_path / "out").rglob("*_pred*"))) == 4
    bad = tmp_path / "in/001/001_SA_ES.nii.gz"
    bad.write_bytes(bad.read_bytes()[:300])
    capsys.readouterr()
    assert run("mnms2", tmp_path / "in", mirrors=1) == EXIT_PARTIAL
    told = capsys.readouterr()
    assert told.err.startswith("case 001: SA_ES: ")
    assert "case 001: done in part" in told.out
    left = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*_pred*")}
    assert left == set(expected) - {"001/001_SA_ES_pred.nii.gz"}
    assert not (tmp_path / "out/001/001_SA_ES_entropy.nii.gz").exists()
    (case,) = summary(tmp_path / "out")["cases"]
    assert case["status"] == "partial"
    assert case["error"].startswith("SA_ES: ")
    assert "SA_ED" in case["measures"]
    assert run("mnms2", tmp_path / "in", mirrors=1, resume=True) == EXIT_PARTIAL, "not done"


def test_a_socket_without_its_mask_fails_for_the_images_own_reason(run, tmp_path, capsys):
    cine_sockets(tmp_path / "in")
    bad = tmp_path / "in/images/sa-es-cine-mri/1.mha"
    bad.write_bytes(bad.read_bytes()[:-900])
    assert run("mnms2", tmp_path / "in", mirrors=1) == EXIT_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("the case: SA_ES: the image file is truncated")
    assert not list((tmp_path / "out").iterdir())


def test_an_image_that_does_not_fit_the_memory_is_told_and_the_others_go_on(
    run, tmp_path, monkeypatch, capsys
):
    emidec_folders(tmp_path / "in")

    def no_memory(source, grid, preparation):
        if source.path.name.startswith("Case_N"):
            raise MemoryError
        return prepared_image(source, grid, preparation)

    monkeypatch.setattr("cmrseg.recipes.steps.prepared_image", no_memory)
    assert run("emidec", tmp_path / "in", samples=0, mirrors=1) == EXIT_PARTIAL
    told = "case Case_N002: LGE: the image does not fit the memory. give the process"
    assert capsys.readouterr().err.startswith(told)
    assert (tmp_path / "out/Case_P001/Contours/Case_P001.nii.gz").exists()


def test_shards_leave_summaries_of_their_own_and_a_last_run_gathers_them(run, tmp_path, capsys):
    for n in range(5):
        save(tmp_path / "in" / f"p{n}.mha", volume(n, slices=2))
    options = {"samples": 0, "mirrors": 1}
    for number in (1, 2):
        assert run("emidec", tmp_path / "in", shard=Shard(number, 2), **options) == EXIT_OK
    out = tmp_path / "out"
    parts = [summary(out, f"summary-{number}of2")["cases"] for number in (1, 2)]
    assert [[c["case"] for c in part] for part in parts] == [["p0", "p2", "p4"], ["p1", "p3"]]
    assert not (out / "summary.json").exists()
    capsys.readouterr()
    assert run("emidec", tmp_path / "in", resume=True, **options) == EXIT_OK
    assert capsys.readouterr().out.count("done before") == 5
    gathered = summary(out)["cases"]
    assert [case["case"] for case in gathered] == [f"p{n}" for n in range(5)]
    for case in gathered:
        (same,) = [c for part in parts for c in part if c["case"] == case["case"]]
        assert all(case[key] == same[key] for key in ("measures", "computed", "status"))
    assert run("emidec", tmp_path / "in", resume=True, samples=2, mirrors=1) == EXIT_OK
    assert "done before" not in capsys.readouterr().out


def test_cases_are_taken_by_name(run, tmp_path, capsys):
    for n in range(3):
        save(tmp_path / "in" / f"p{n}.mha", volume(n, slices=2))
    options = {"samples": 0, "mirrors": 1}
    assert run("emidec", tmp_path / "in", shard=Chosen(("p2",)), **options) == EXIT_OK
    assert [one["case"] for one in summary(tmp_path / "out", "summary-p2")["cases"]] == ["p2"]
    assert run("emidec", tmp_path / "in", shard=Chosen(("p2", "p7")), **options) == EXIT_INPUT
    assert "--cases: 1 of 2" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").glob("*_seg.mha")] == ["p2_seg.mha"]


def test_a_frame_of_a_cine_in_a_plain_folder(run, tmp_path, capsys):
    frames = [volume(n) for n in range(3)]
    write_cine(tmp_path / "in/cine.nii.gz", frames)
    assert run("emidec", tmp_path / "in", samples=0, mirrors=1) == EXIT_INPUT
    assert "name the frame to take (0 to 2)" in capsys.readouterr().err
    masks = []
    for frame in (0, 2):
        options = {"samples": 0, "mirrors": 1, "frame": frame, "out": f"f{frame}"}
        assert run("emidec", tmp_path / "in", **options) == EXIT_OK
        masks.append(read(tmp_path / f"f{frame}" / "cine_seg.nii.gz").array)
    assert masks[0].shape == (4, 40, 44)
    assert (masks[0] != masks[1]).any()
    assert run("emidec", tmp_path / "in", frame=3) == EXIT_INPUT
    assert "frame 3 was asked for, but the image has 3" in capsys.readouterr().err
    emidec_folders(tmp_path / "folders")
    with pytest.raises(UsageError, match="takes no frame"):
        run("emidec", tmp_path / "folders", frame=0)


@pytest.mark.parametrize(
    ("image", "masks"),
    [
        ("001/001_SA_CINE", [f"001/001_SA_{role}_pred" for role in ("ED", "ES", "CINE")]),
        ("p7_SA", ["p7_SA_ED_seg", "p7_SA_ES_seg", "p7_SA_seg"]),
    ],
)
def test_ed_and_es_are_found_in_a_cine_and_all_frames_segmented(run, tmp_path, image, masks):
    frames = [volume(n) for n in range(3)]
    write_cine(tmp_path / f"in/{image}.nii.gz", frames)
    assert run("mnms2", tmp_path / "in", mirrors=1, report=True) == EXIT_OK
    (one,) = summary(tmp_path / "out")["cases"]
    cine = one["measures"]["cine"]
    assert cine["frames"] == len(cine["volume_ml"]["LV"]) == 3
    found = cine["ed_frame"], cine["es_frame"]
    assert cine["volume_ml"]["LV"][found[0]] == max(cine["volume_ml"]["LV"])
    assert cine["volume_ml"]["LV"][found[1]] == min(cine["volume_ml"]["LV"])
    assert list(one["masks"].values()) == [f"{name}.nii.gz" for name in masks]
    single = [read(tmp_path / "out" / f"{name}.nii.gz") for name in masks[:2]]
    whole = [read(tmp_path / "out" / f"{masks[2]}.nii.gz", frame) for frame in range(3)]
    for volume_, frame in zip(single, found, strict=True):
        assert volume_.geometry.same_as(whole[frame].geometry)
        np.testing.assert_array_equal(volume_.array, whole[frame].array)
    assert any("frame" in note for note in one["notes"])
    assert len((tmp_path / "out/curves.csv").read_text().splitlines()) == 4
    assert '<svg class="curves"' in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def write_cine(path, frames):
    """A 4-D NIfTI file of the frames, 1.3 x 1.25 x 9 mm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.stack([frame.array.transpose(2, 1, 0) for frame in frames], axis=-1)
    nibabel.Nifti1Image(array, np.diag([1.3, 1.25, 9.0, 1.0])).to_filename(path)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, SPINS),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, None),
    ],
)
def test_waiting_threads_sleep_soon_unless_the_user_says_otherwise(monkeypatch, given, found):
    with monkeypatch.context() as undo:
        for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
            undo.setenv(name, "")
            undo.delenv(name)
        for name, value in given.items():
            undo.setenv(name, value)
        share_cpus()
        assert os.environ.get("GOMP_SPINCOUNT") == found


def test_torch_is_not_loaded_before_its_threads_are_told():
    """The OpenMP library reads the setting when torch brings it in, and never again."""
    code = (
        "import os, sys, cmrseg.cli.main, cmrseg.cli.demo, cmrseg.cases.detect\n"
        "import cmrseg.run.predict\n"
        "import cmrseg.runtime as r\n"
        "assert 'torch' not in sys.modules\n"
        "r.share_cpus(); import torch"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{SPINS}'" in told.stderr


def test_what_calibration_found_reaches_the_recipe(bundles, monkeypatch):
    monkeypatch.setattr(Inspector, "from_bundle", lambda *args: None)
    found = bundle.find("mnms2", bundles)
    bound = DiceBound(
        slopes=(0.2, 0.3, 0.4), intercept=0.1, factor=1.5, level=0.9, images=30, domains=2
    )
    quality = {"mnms2-sa": {"dice_bounds": {"RV": asdict(bound)}}}
    calibrated = replace(found, manifest={**found.manifest, "quality": quality})
    made = model("mnms2", calibrated, device="cpu", mirrors=1)
    assert made.bounds["SA"] == {"RV": bound}
    assert made.bands == {}
