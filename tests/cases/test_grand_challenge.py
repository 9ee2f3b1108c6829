import json

import numpy as np
import pytest
import SimpleITK

from cmrseg.cases.case import Prediction, Result
from cmrseg.cases.detect import open_contract
from cmrseg.imaging.read import read
from cmrseg.runtime.errors import InputError, OutputError, UsageError

from .tools import expected, save, threshold, tree

LGE = "delayed-enhancement-mri"
UUID = "7d1b2c9e-0000-4000-8000-000000000001.mha"


def listing(folder, *slugs, kind="socket", **more):
    entries = [{"image": {"name": "x"}, kind: {"slug": slug, **more}} for slug in slugs]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inputs.json").write_text(json.dumps(entries))


def opened(tmp_path, challenge="emidec", **options):
    return open_contract(challenge, tmp_path / "in", tmp_path / "out", **options)


@pytest.mark.parametrize("kind", ["socket", "interface", None])
def test_emidec_sockets(tmp_path, kind):
    image = save(tmp_path / "in/images" / LGE / UUID)
    if kind:
        listing(tmp_path / "in", LGE, kind=kind)
    contract = opened(tmp_path)
    assert contract.name == "grand-challenge"
    (case,) = contract.cases()
    result = threshold(case)
    contract.write(case, result)
    contract.finish({case.id: result})
    assert tree(tmp_path / "out") == [
        "images/delayed-enhancement-segmentation/output.mha",
        "images/delayed-enhancement-uncertainty/output.mha",
        "results.json",
    ]
    path = tmp_path / "out/images/delayed-enhancement-segmentation/output.mha"
    written = SimpleITK.ReadImage(str(path))
    assert written.GetPixelIDTypeAsString() == "8-bit unsigned integer"
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(written), expected(image))
    assert read(path).geometry.same_as(image.geometry)
    told = json.loads((tmp_path / "out/results.json").read_text())
    assert told["measures"] == {"volume_ml": {"LGE": float((expected(image) > 0).sum())}}
    assert UUID[:8] not in json.dumps(told)


@pytest.mark.parametrize(
    "roles", [("SA_ED",), ("SA_ED", "SA_ES"), ("LA_ES", "SA_ED", "LA_ED", "SA_ES")]
)
def test_mnms2_sockets_in_any_combination(tmp_path, roles):
    names = {role: role.lower().replace("_", "-") for role in roles}
    for seed, name in enumerate(names.values()):
        save(tmp_path / f"in/images/{name}-cine-mri/{UUID}", seed)
    listing(tmp_path / "in", *[f"{name}-cine-mri" for name in names.values()])
    contract = opened(tmp_path, "mnms2")
    (case,) = contract.cases()
    assert set(case.images) == set(roles)
    contract.write(case, threshold(case))
    masks = [f"images/{name}-segmentation/output.mha" for name in names.values()]
    assert tree(tmp_path / "out") == sorted([*masks, "results.json"])
    for role, name in names.items():
        mask = read(tmp_path / f"out/images/{name}-segmentation/output.mha")
        np.testing.assert_array_equal(mask.array, expected(read(case.images[role].path)))


def test_the_folder_may_be_called_otherwise_than_the_slug(tmp_path):
    save(tmp_path / "in/images/delayed-enhancement" / UUID)
    listing(tmp_path / "in", LGE, relative_path="images/delayed-enhancement")
    (case,) = opened(tmp_path).cases()
    assert case.images["LGE"].path.name == UUID


@pytest.mark.parametrize("path", ["../elsewhere", "/etc"])
def test_no_socket_leads_out_of_the_input_folder(tmp_path, path):
    listing(tmp_path / "in", LGE, relative_path=path)
    (case,) = opened(tmp_path).cases()
    assert isinstance(case.problem, InputError)


def test_tiff_comes_and_mha_goes(tmp_path):
    path = tmp_path / "in/images" / LGE / "a.tif"
    path.parent.mkdir(parents=True)
    array = np.random.default_rng(0).integers(0, 1000, (1, 12, 10)).astype(np.uint16)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path))
    contract = opened(tmp_path)
    (case,) = contract.cases()
    contract.write(case, threshold(case))
    mask = read(tmp_path / "out/images/delayed-enhancement-segmentation/output.mha")
    np.testing.assert_array_equal(mask.array, expected(read(path)))


def test_a_dicom_set_is_given_as_its_folder(tmp_path):
    folder = tmp_path / "in/images" / LGE
    folder.mkdir(parents=True)
    for n in range(3):
        (folder / f"{n}.dcm").touch()
    (case,) = opened(tmp_path).cases()
    assert case.images["LGE"].path == folder


@pytest.mark.parametrize("count", [0, 2])
def test_a_socket_holds_exactly_one_image(tmp_path, count):
    (tmp_path / "in/images" / LGE).mkdir(parents=True)
    for n in range(count):
        save(tmp_path / "in/images" / LGE / f"{n}.mha", n)
    listing(tmp_path / "in", LGE)
    (case,) = opened(tmp_path).cases()
    assert isinstance(case.problem, InputError)
    assert f"socket {LGE}: {count} images" in case.problem.problem


def test_unknown_sockets_are_named_beside_the_known(tmp_path):
    listing(tmp_path / "in", "ct-image")
    (case,) = opened(tmp_path).cases()
    assert f"the sockets are ct-image, known are {LGE}" in str(case.problem)


def test_a_socket_that_no_role_needs_is_told_and_not_used(tmp_path):
    save(tmp_path / "in/images" / LGE / UUID)
    listing(tmp_path / "in", "ct-image", LGE, "patient-age")
    (case,) = opened(tmp_path).cases()
    assert case.problem is None
    assert list(case.images) == ["LGE"]
    (warning,) = case.warnings
    assert "ct-image, patient-age" in warning


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '[{"socket": {}}]', '{"a": 1}', "[{}]", "[" * 200_000]
)
def test_a_broken_listing_is_an_input_error(tmp_path, text):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/inputs.json").write_text(text)
    (case,) = opened(tmp_path).cases()
    assert isinstance(case.problem, InputError)
    assert "inputs.json" in case.problem.problem


def test_the_input_link_may_be_pointed_elsewhere(tmp_path):
    first = save(tmp_path / "a/images" / LGE / "1.mha", 1)
    second = save(tmp_path / "b/images" / LGE / "2.mha", 2)
    (tmp_path / "in").symlink_to(tmp_path / "a")
    contract = opened(tmp_path)
    (case,) = contract.cases()
    np.testing.assert_array_equal(read(case.images["LGE"].path).array, first.array)
    (tmp_path / "in").unlink()
    (tmp_path / "in").symlink_to(tmp_path / "b")
    (case,) = contract.cases()
    np.testing.assert_array_equal(read(case.images["LGE"].path).array, second.array)


def test_results_are_strict_json(tmp_path):
    save(tmp_path / "in/images" / LGE / UUID)
    contract = opened(tmp_path)
    (case,) = contract.cases()
    odd = {"nan": np.float32("nan"), "inf": [float("inf"), np.float64(2)], "n": np.int64(3)}
    contract.write(case, Result(threshold(case).predictions, odd))

    def refuse(constant):
        raise AssertionError(constant)

    text = (tmp_path / "out/results.json").read_text()
    told = json.loads(text, parse_constant=refuse)
    assert told["measures"] == {"nan": None, "inf": [None, 2.0], "n": 3}


def test_an_image_without_a_mask_is_an_error(tmp_path):
    for name in ("sa-ed", "sa-es"):
        save(tmp_path / f"in/images/{name}-cine-mri" / UUID)
    contract = opened(tmp_path, "mnms2")
    (case,) = contract.cases()
    half = {"SA_ED": threshold(case).predictions["SA_ED"]}
    with pytest.raises(OutputError, match="no mask for SA_ES"):
        contract.write(case, Result(half))
    assert tree(tmp_path / "out") == []


def test_an_own_socket_table(tmp_path, monkeypatch):
    table = {
        "results": "cardiac-findings",
        "sockets": [
            {"slug": "cine", "role": "SA_ED", "mask": "rv-ed", "frame": 0},
            {"slug": "cine", "role": "SA_ES", "mask": "rv-es", "frame": 2},
        ],
    }
    (tmp_path / "table.json").write_text(json.dumps(table))
    path = tmp_path / "in/images/cine/a.mha"
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 900, (4, 3, 12, 10)).astype(np.int16)
    SimpleITK.WriteImage(
        SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(f) for f in frames]),
        str(path),
        useCompression=True,
    )
    monkeypatch.setenv("CMRSEG_SOCKETS", str(tmp_path / "table.json"))
    contract = opened(tmp_path, "mnms2", labels="rv1")
    (case,) = contract.cases()
    predictions = {}
    for role, source in case.images.items():
        volume = read(source.path, source.frame)
        labels = (volume.array > 400).astype(np.uint8) * 3
        predictions[role] = Prediction(volume.like(labels))
    contract.write(case, Result(predictions))
    assert tree(tmp_path / "out") == [
        "cardiac-findings.json",
        "images/rv-ed/output.mha",
        "images/rv-es/output.mha",
    ]
    np.testing.assert_array_equal(
        read(tmp_path / "out/images/rv-es/output.mha").array, frames[2] > 400
    )


@pytest.mark.parametrize(
    "sockets",
    [
        [],
        [{"slug": "a", "role": "SA_ED"}],
        [{"slug": "a", "role": "LGE", "mask": "b"}],
        [{"slug": "../a", "role": "SA_ED", "mask": "b"}],
        [{"slug": "a", "role": "SA_ED", "mask": "b", "maps": {"variance": "b"}}],
        [{"slug": "a", "role": "SA_ED", "mask": "b", "frame": "first"}],
        [{"slug": s, "role": "SA_ED", "mask": s} for s in "ab"],
    ],
)
def test_a_wrong_socket_table_is_a_usage_error(tmp_path, sockets):
    save(tmp_path / "in/images/a/a.mha")
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"sockets": sockets}))
    with pytest.raises(UsageError, match="socket table"):
        opened(tmp_path, "mnms2", sockets=table)


def test_a_missing_socket_table_is_a_usage_error(tmp_path):
    save(tmp_path / "in/images/a/a.mha")
    with pytest.raises(UsageError, match="cannot be read"):
        opened(tmp_path, sockets=tmp_path / "none.json")
