import errno
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cmrseg.cases import staging
from cmrseg.cases.case import Prediction, Result
from cmrseg.cases.detect import open_contract
from cmrseg.cases.staging import OutputGoneError, Piece, deliver, prepare_output
from cmrseg.imaging.read import read
from cmrseg.runtime.errors import OutputError

from .tools import expected, image, save, threshold, tmpfs, tree

MASK = "Case_1/Contours/Case_1.nii.gz"
MAP = "Case_1/Uncertainty/Case_1_variance.nii.gz"


@pytest.fixture
def opened(tmp_path):
    """A contract with one EMIDEC case, and what a recipe makes of it."""
    save(tmp_path / "in/Case_1/Images/Case_1.nii.gz")
    contract = open_contract("emidec", tmp_path / "in", tmp_path / "out")
    (case,) = contract.cases()
    return contract, case, threshold(case)


def with_mask(result, mask):
    return replace(result, predictions={"LGE": replace(result.predictions["LGE"], mask=mask)})


def shifted(geometry):
    x, y, z = geometry.origin_mm
    return replace(geometry, origin_mm=(x + 0.01, y, z))


def stretched(geometry):
    z, y, x = geometry.spacing_mm
    return replace(geometry, spacing_mm=(z, y * 1.01, x))


def flipped(geometry):
    return replace(geometry, direction=geometry.direction * np.array([1, 1, -1]))


@pytest.mark.parametrize("change", [shifted, stretched, flipped])
def test_a_mask_that_lies_elsewhere_is_not_written(opened, tmp_path, change):
    contract, case, result = opened
    mask = result.predictions["LGE"].mask
    wrong = with_mask(result, replace(mask, geometry=change(mask.geometry)))
    with pytest.raises(OutputError, match="LGE mask does not lie on the voxels of its input"):
        contract.write(case, wrong)
    assert tree(tmp_path / "out") == []


def test_a_mask_of_another_shape_is_not_written(opened, tmp_path):
    contract, case, result = opened
    mask = result.predictions["LGE"].mask
    cut = replace(mask.geometry, shape=(3, 12, 9))
    with pytest.raises(OutputError, match="does not lie on the voxels"):
        contract.write(
            case, with_mask(result, replace(mask, array=mask.array[:, :, :9], geometry=cut))
        )
    assert tree(tmp_path / "out") == []


def test_a_map_that_lies_elsewhere_takes_the_mask_with_it(opened, tmp_path):
    contract, case, result = opened
    prediction = result.predictions["LGE"]
    variance = prediction.maps["variance"]
    wrong = Prediction(
        prediction.mask, {"variance": replace(variance, geometry=shifted(variance.geometry))}
    )
    with pytest.raises(OutputError, match="LGE variance map does not lie"):
        contract.write(case, Result({"LGE": wrong}))
    assert tree(tmp_path / "out") == []


@pytest.mark.parametrize("value", [5, 255, -1])
def test_a_forbidden_label_is_not_written(opened, tmp_path, value):
    contract, case, result = opened
    mask = result.predictions["LGE"].mask
    array = mask.array.astype(np.int16)
    array[0, 0, 0] = value
    with pytest.raises(OutputError, match=rf"LGE: the mask holds the values \[{value}\]"):
        contract.write(case, with_mask(result, mask.like(array)))
    assert tree(tmp_path / "out") == []


def test_a_written_file_is_checked_for_its_labels(tmp_path):
    volume = image()
    piece = Piece(
        path=Path("a.mha"),
        what="mask",
        content=volume.like(expected(volume)),
        like=volume.geometry,
        labels=frozenset({0, 1}),
    )
    with pytest.raises(OutputError, match=r"mask holds the values \[2, 3\], allowed are \[0, 1\]"):
        deliver([piece], tmp_path / "out")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_map_that_is_not_finite_is_not_written(opened, tmp_path, value):
    contract, case, result = opened
    prediction = result.predictions["LGE"]
    variance = prediction.maps["variance"]
    array = variance.array.copy()
    array[1, 2, 3] = value
    wrong = Prediction(prediction.mask, {"variance": variance.like(array)})
    with pytest.raises(OutputError, match="not finite"):
        contract.write(case, Result({"LGE": wrong}))
    assert tree(tmp_path / "out") == []


def test_a_file_damaged_on_its_way_is_not_delivered(opened, tmp_path, monkeypatch):
    contract, case, result = opened
    write = staging.write

    def damaging(volume, path):
        write(volume, path)
        path.write_bytes(path.read_bytes()[:-20])

    monkeypatch.setattr(staging, "write", damaging)
    with pytest.raises(OutputError, match="could not be written and read again"):
        contract.write(case, result)
    assert tree(tmp_path / "out") == []


def test_a_file_with_other_values_is_not_delivered(opened, tmp_path, monkeypatch):
    contract, case, result = opened
    write = staging.write
    monkeypatch.setattr(
        staging, "write", lambda volume, path: write(volume.like(volume.array[:, ::-1]), path)
    )
    with pytest.raises(OutputError, match="does not read back as it was written"):
        contract.write(case, result)
    assert tree(tmp_path / "out") == []


def test_staging_is_in_tmpdir_and_cleaned(opened, tmp_path, monkeypatch):
    contract, case, result = opened
    (tmp_path / "stage").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "stage"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    paths = []
    write = staging.write
    monkeypatch.setattr(
        staging, "write", lambda volume, path: (paths.append(path), write(volume, path))
    )
    contract.write(case, result)
    assert len(paths) == 2
    assert all(path.is_relative_to(tmp_path / "stage") for path in paths)
    assert list((tmp_path / "stage").iterdir()) == []


def test_a_second_run_replaces_the_first(opened, tmp_path):
    contract, case, result = opened
    contract.write(case, result)
    mask = result.predictions["LGE"].mask
    contract.write(case, with_mask(result, mask.like(np.ones_like(mask.array))))
    assert tree(tmp_path / "out") == [MASK, MAP]
    assert (read(tmp_path / "out" / MASK).array == 1).all()


def test_a_failing_case_leaves_earlier_results(opened, tmp_path):
    contract, case, result = opened
    contract.write(case, result)
    before = {name: (tmp_path / "out" / name).read_bytes() for name in tree(tmp_path / "out")}
    mask = result.predictions["LGE"].mask
    with pytest.raises(OutputError):
        contract.write(case, with_mask(result, mask.like(mask.array + 9)))
    after = {name: (tmp_path / "out" / name).read_bytes() for name in tree(tmp_path / "out")}
    assert after == before


@pytest.mark.parametrize("earlier", [None, "earlier result"])
def test_what_was_placed_is_taken_back_when_the_rest_cannot_be(opened, tmp_path, earlier):
    # Contours goes in first; a file where the folder Uncertainty has to be stops the rest.
    contract, case, result = opened
    (tmp_path / "out/Case_1").mkdir()
    (tmp_path / "out/Case_1/Uncertainty").write_text("in the way")
    if earlier:
        (tmp_path / "out" / MASK).parent.mkdir()
        (tmp_path / "out" / MASK).write_text(earlier)
    before = tree(tmp_path / "out")
    with pytest.raises(OutputError, match="a file stands where a folder has to be"):
        contract.write(case, result)
    assert tree(tmp_path / "out") == before
    assert (tmp_path / "out/Case_1/Contours").exists() == bool(earlier)
    if earlier:
        assert (tmp_path / "out" / MASK).read_text() == earlier


def test_a_folder_where_a_file_has_to_be(opened, tmp_path):
    contract, case, result = opened
    (tmp_path / "out" / MASK).mkdir(parents=True)
    with pytest.raises(OutputError, match="a folder where a file has to"):
        contract.write(case, result)
    assert tree(tmp_path / "out") == []
    assert (tmp_path / "out" / MASK).is_dir()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_end_at_the_last_moment_leaves_what_was_there(opened, tmp_path, monkeypatch, error):
    contract, case, result = opened
    (tmp_path / "out" / MASK).parent.mkdir(parents=True)
    (tmp_path / "out" / MASK).write_text("earlier result")
    flush = staging._flush

    def stop(path):
        if path == tmp_path / "out":
            assert tree(tmp_path / "out/Case_1") == [MASK[7:], MAP[7:]]
            raise error
        flush(path)

    monkeypatch.setattr(staging, "_flush", stop)
    with pytest.raises(OutputError if error is OSError else error):
        contract.write(case, result)
    assert tree(tmp_path / "out") == [MASK]
    assert (tmp_path / "out" / MASK).read_text() == "earlier result"


def test_a_link_is_replaced_and_what_it_leads_to_is_kept(opened, tmp_path):
    contract, case, result = opened
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out" / MASK).parent.mkdir(parents=True)
    (tmp_path / "out" / MASK).symlink_to(tmp_path / "precious")
    contract.write(case, result)
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "out" / MASK).is_symlink()


def test_no_hard_links_no_harm(opened, tmp_path, monkeypatch):
    contract, case, result = opened
    contract.write(case, result)

    def refuse(*_args, **_kwargs):
        raise PermissionError

    monkeypatch.setattr(staging.os, "link", refuse)
    contract.write(case, result)
    assert tree(tmp_path / "out") == [MASK, MAP]


def test_disk_full(opened, tmp_path):
    contract, case, result = opened
    rng = np.random.default_rng(0)
    with tmpfs(tmp_path / "out", "size=48k") as out:
        (out / MASK).parent.mkdir(parents=True)
        (out / MASK).write_text("earlier result")
        noise = np.float32(rng.random((3, 12, 10)))
        volume = result.predictions["LGE"].maps["variance"].like(noise)
        maps = {f"map{n:02}": volume for n in range(30)}
        wide = Result({"LGE": replace(result.predictions["LGE"], maps=maps)})
        with pytest.raises(OutputGoneError, match="the disk of the output folder is full"):
            contract.write(case, wide)
        assert tree(out) == [MASK]
        assert (out / MASK).read_text() == "earlier result"
        contract.write(case, result)
        assert tree(out) == [MASK, MAP]


@pytest.mark.parametrize("ending", ["nii.gz", "mha"])
def test_a_full_temporary_folder_says_so(tmp_path, monkeypatch, ending):
    volume = image(shape=(10, 100, 100))
    volume = volume.like(np.random.default_rng(0).random(volume.array.shape, np.float32))
    piece = Piece(path=Path(f"a.{ending}"), what="map", content=volume, like=volume.geometry)
    with tmpfs(tmp_path / "stage", "size=64k") as stage:
        monkeypatch.setenv("TMPDIR", str(stage))
        monkeypatch.setattr(tempfile, "tempdir", None)
        with pytest.raises(OutputError, match=r"temporary folder cannot be used.*TMPDIR") as caught:
            deliver([piece], tmp_path / "out")
        assert not isinstance(caught.value, OutputGoneError)
        assert tree(stage) == []
    assert not (tmp_path / "out").exists()


def test_no_temporary_folder_is_found_out_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(OutputError, match="TMPDIR"):
        prepare_output(tmp_path / "out")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_an_output_folder_that_was_not_mounted(tmp_path, monkeypatch, number):
    def refuse(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="mount it: docker run"):
        prepare_output(tmp_path / "output")


def test_permissions_follow_the_umask(opened, tmp_path):
    contract, case, result = opened
    contract.write(case, result)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/file").touch()
    for made, plain in [("Case_1", "plain"), (MASK, "plain/file")]:
        assert (tmp_path / "out" / made).stat().st_mode == (tmp_path / plain).stat().st_mode


@pytest.mark.parametrize(
    ("number", "words", "ends_the_run"),
    [
        (errno.ENOSPC, "full. free some space", True),
        (errno.EDQUOT, "full. free some space", True),
        (errno.EROFS, "read-only. mount it writable", True),
        (errno.EACCES, f"may not be written by user {os.getuid()}. give that user", False),
        (errno.EPERM, f"may not be written by user {os.getuid()}. give that user", False),
        (errno.EIO, r"cannot be written \(Input/output error\). check that its disk", False),
    ],
)
def test_the_operating_systems_errors_in_plain_words(
    opened, tmp_path, monkeypatch, number, words, ends_the_run
):
    contract, case, result = opened

    def refuse(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(staging.shutil, "copyfile", refuse)
    with pytest.raises(OutputError, match=words) as caught:
        contract.write(case, result)
    assert isinstance(caught.value, OutputGoneError) == ends_the_run
    assert tree(tmp_path / "out") == []
