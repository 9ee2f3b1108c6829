"""One bad case never ends a run, and the exit code and the last line say how it went."""

import csv
import os
import subprocess
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from cmrseg.cases.case import Case, Contract, ImageSource, Prediction, Result
from cmrseg.cases.detect import open_contract
from cmrseg.cases.staging import OutputGoneError
from cmrseg.imaging.read import check_image, read
from cmrseg.run.batch import Shard, run
from cmrseg.runtime.errors import InputError, MemoryLimitError, OutputError, WeightsError


class MemoryContract(Contract):
    """Cases by name, results kept in memory."""

    name = "memory"

    def __init__(self, *ids, full_after=None):
        self.ids = ids
        self.full_after = full_after
        self.written = {}
        self.summary = None

    def cases(self):
        for case_id in self.ids:
            source = ImageSource(Path(f"/data/{case_id}-doe.nii.gz"))
            yield Case(case_id, {"LGE": source}, f"case {case_id}")

    def write(self, case, result):
        if self.full_after is not None and len(self.written) >= self.full_after:
            raise OutputGoneError("the disk of the output folder is full", "free some space")
        self.written[case.id] = result
        return result

    def finish(self, results):
        self.summary = dict(results)
        return ()


class Lines:
    """Takes lines."""

    def __init__(self):
        self.said, self.complained = [], []

    def run(self, contract, segment):
        return run(contract, segment, say=self.said.append, complain=self.complained.append)


def failing(**errors):
    """A recipe that raises what is given for a case's id, and is content with the others."""

    def segment(case):
        if case.id in errors:
            raise errors[case.id]
        return Result(measures={"volume_ml": 1.0}, timings_s={"network": 0.0})

    return segment


BAD = InputError("LGE: the image file is truncated", "export it again")


def test_all_done():
    contract, lines = MemoryContract("a", "b", "c"), Lines()
    assert lines.run(contract, failing()) == 0
    assert list(contract.written) == list(contract.summary) == ["a", "b", "c"]
    assert lines.complained == []
    assert [line.split(" in ")[0] for line in lines.said] == [f"case {c}: done" for c in "abc"]
    assert [line.split(" s ")[1] for line in lines.said] == ["(1/3)", "(2/3)", "(3/3)"]
    assert set(contract.summary["a"].timings_s) == {"network", "total"}


def test_a_bad_case_is_told_and_the_others_go_on():
    contract, lines = MemoryContract("a", "b", "c"), Lines()
    assert lines.run(contract, failing(b=BAD)) == 4
    assert list(contract.written) == ["a", "c"]
    told = "case b: LGE: the image file is truncated. export it again."
    assert lines.complained == [told, f"1 of 3 cases failed, such as {told}"]
    assert lines.said[1].startswith("case b: failed after")
    assert contract.summary["b"].error == str(BAD)
    assert [r.error for r in contract.summary.values()].count(None) == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BAD, 3),
        (OutputError("x", "y"), 5),
        (MemoryLimitError("x", "y"), 7),
        (MemoryError(), 7),
        (WeightsError("x", "y"), 6),
        (ValueError("x"), 1),
    ],
)
def test_one_case_alone_gives_its_own_code_and_line(error, code):
    lines = Lines()
    assert lines.run(MemoryContract("a"), failing(a=error)) == code
    (line,) = lines.complained
    assert line.startswith("case a: ")


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ({"a": BAD, "b": BAD}, 3),
        ({"a": BAD, "b": MemoryError()}, 7),
        ({"a": MemoryError(), "b": OutputError("x", "y")}, 5),
        ({"a": BAD, "b": KeyError("x")}, 1),
        ({"a": KeyError("x")}, 1),
    ],
)
def test_codes_of_several_failures(errors, code):
    assert Lines().run(MemoryContract("a", "b"), failing(**errors)) == code


def test_a_fault_is_told_by_class_without_file_names(capsys, monkeypatch):
    monkeypatch.delenv("CMRSEG_DEBUG", raising=False)
    contract, lines = MemoryContract("a", "b"), Lines()
    error = RuntimeError("shape\nof /data/a-doe.nii.gz and a-doe.nii.gz differ")
    assert lines.run(contract, failing(a=error)) == 1
    assert list(contract.written) == ["b"]
    assert "(RuntimeError: shape of LGE and LGE differ)" in lines.complained[0]
    assert "CMRSEG_DEBUG=1" in lines.complained[0]
    assert "Traceback" not in capsys.readouterr().err


def test_a_traceback_comes_on_request(capsys, monkeypatch):
    monkeypatch.setenv("CMRSEG_DEBUG", "1")
    Lines().run(MemoryContract("a"), failing(a=RuntimeError("odd")))
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "RuntimeError: odd" in told


def test_an_unreadable_file_is_the_inputs_fault_not_ours():
    lines = Lines()
    error = PermissionError(13, "Permission denied", "/data/a-doe.nii.gz")
    assert lines.run(MemoryContract("a"), failing(a=error)) == 3
    (line,) = lines.complained
    assert "LGE cannot be read (Permission denied)" in line


@pytest.mark.parametrize("done", [0, 2])
def test_a_full_disk_ends_the_run(done):
    contract, lines = MemoryContract("a", "b", "c", "d", full_after=done), Lines()
    assert lines.run(contract, failing()) == 5
    assert len(contract.written) == done
    assert len(lines.complained) == 2
    assert lines.complained[-1].startswith(f"{4 - done} of 4 cases failed, such as case")
    assert "is full. free some space." in lines.complained[-1]
    assert len(lines.said) == done + 1
    assert "not tried" in contract.summary["d"].error


def test_altered_weights_end_the_run():
    contract, lines = MemoryContract("a", "b", "c"), Lines()
    assert lines.run(contract, failing(b=WeightsError("bundle altered", "load it anew"))) == 6
    assert list(contract.written) == ["a"]


def test_a_summary_that_cannot_be_written_is_an_error():
    class Unwritable(MemoryContract):
        def finish(self, results):
            raise OutputError("the output folder cannot be written", "check the disk")

    lines = Lines()
    assert lines.run(Unwritable("a", "b"), failing()) == 5
    assert lines.complained == [
        "summary: the output folder cannot be written. check the disk.",
    ]


def test_no_case_at_all_is_an_input_error():
    lines = Lines()
    assert lines.run(MemoryContract(), failing()) == 3
    assert len(lines.complained) == 1


def test_cases_that_cannot_be_listed():
    class Unlistable(MemoryContract):
        def cases(self):
            raise InputError("the input folder cannot be read", "check the mount")

    lines = Lines()
    assert lines.run(Unlistable(), failing()) == 3
    assert lines.complained == ["the input folder cannot be read. check the mount."]


def test_an_interrupt_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        Lines().run(MemoryContract("a"), failing(a=KeyboardInterrupt()))


def test_warnings_of_case_and_result_are_told_once_and_kept():
    class Warned(MemoryContract):
        def cases(self):
            yield Case("a", {}, "case a", ("LA missing",))

    contract, lines = Warned(), Lines()
    assert lines.run(contract, lambda case: Result(warnings=("LA missing", "bent axes"))) == 0
    assert contract.written["a"].warnings == ("LA missing", "bent axes")
    assert lines.said[:2] == ["case a: warning: LA missing", "case a: warning: bent axes"]


def test_a_problem_known_beforehand_is_not_segmented():
    class Known(MemoryContract):
        def cases(self):
            yield Case("a", {}, "case a", ("odd",), problem=InputError("no image", "add one"))

    contract, lines = Known(), Lines()

    def segment(case):
        raise AssertionError("must not be called")

    assert lines.run(contract, segment) == 3
    assert lines.complained == ["case a: no image. add one."]
    assert contract.summary["a"].warnings == ("odd",)


def test_results_of_thousands_of_cases_are_not_kept_in_memory():
    contract, lines = MemoryContract(*map(str, range(9))), Lines()
    prediction = Prediction(mask=None)
    assert lines.run(contract, lambda case: Result({"LGE": prediction})) == 0
    assert all(result.predictions for result in contract.written.values())
    assert not any(result.predictions for result in contract.summary.values())


def test_a_case_done_in_part_is_written_told_and_counted():
    contract, lines = MemoryContract("a", "b", "c"), Lines()
    part = Result(failed={"SA_ES": InputError("SA_ES: the image is cut off", "copy it")})
    assert lines.run(contract, lambda case: part if case.id == "b" else Result()) == 4
    assert list(contract.written) == ["a", "b", "c"]
    told = "case b: SA_ES: the image is cut off. copy it."
    assert lines.complained == [told, f"1 of 3 cases are done in part, such as {told}"]
    assert lines.said[1].startswith("case b: done in part in ")
    lines = Lines()
    assert lines.run(MemoryContract("a"), lambda case: part) == 4
    assert lines.complained == [told.replace("case b", "case a")]


def test_what_was_done_before_is_left_out_and_told():
    class Resumed(MemoryContract):
        def done(self, case):
            return Result(measures={"ml": 1}) if case.id == "b" else None

    contract, lines = Resumed("a", "b", "c"), Lines()
    assert lines.run(contract, failing()) == 0
    assert list(contract.written) == ["a", "c"]
    assert contract.summary["b"].measures == {"ml": 1}
    assert lines.said[1] == "case b: done before (2/3)"


def test_what_failed_is_taken_away_and_said_where_it_cannot_be():
    class Stale(MemoryContract):
        def discard(self, case):
            raise OutputError("it may not be removed", "remove it")

    lines = Lines()
    assert lines.run(Stale("a", "b"), failing(a=BAD)) == 4
    assert lines.complained[0] == (
        "case a: an older result is still there: it may not be removed. remove it."
    )


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_share_the_cases_without_overlap(count):
    taken = []
    for number in range(1, count + 1):
        contract, lines = MemoryContract(*"abcde"), Lines()
        code = run(
            contract,
            failing(),
            shard=Shard(number, count),
            say=lines.said.append,
            complain=lines.complained.append,
        )
        assert code == 0
        assert list(contract.summary) == list(contract.written)
        taken.append(list(contract.written))
    assert sorted(case for part in taken for case in part) == list("abcde")
    assert max(map(len, taken)) - min(map(len, taken)) <= 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3", ""])
def test_no_shard(text):
    with pytest.raises(ValueError):  # noqa: PT011
        Shard.parse(text)


def test_a_run_that_is_ended_tells_what_it_had_done():
    contract = MemoryContract("a", "b", "c")
    with pytest.raises(KeyboardInterrupt):
        Lines().run(contract, failing(b=KeyboardInterrupt()))
    assert list(contract.summary) == ["a"]


@pytest.mark.parametrize(
    "error",
    [RuntimeError("std::bad_alloc"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_memory_that_runs_out_in_a_library_is_lack_of_memory(error):
    lines = Lines()
    assert lines.run(MemoryContract("a"), failing(a=error)) == 7
    (line,) = lines.complained
    assert "memory" in line


def test_a_result_with_an_error_is_not_written():
    contract = MemoryContract("a", "b")
    results = {"a": Result(error="nothing found"), "b": Result()}
    assert Lines().run(contract, lambda case: results[case.id]) == 4
    assert list(contract.written) == ["b"]


def test_lines_go_to_their_streams_whole_and_as_utf8(capfd):
    contract = MemoryContract("\udce4\nx", "b")
    assert run(contract, failing(b=InputError("größe\n falsch" + "!" * 9999, "ok"))) == 4
    out, err = capfd.readouterr()
    assert out.splitlines()[0].startswith("case \\udce4 x: done in ")
    assert err.startswith("case b: größe falsch!!!")
    assert err.endswith("\n")
    assert max(len(line) for line in err.splitlines()) <= 4000


def threshold(case):
    """A recipe that really looks at its images."""
    predictions = {}
    for role, source in case.images.items():
        volume = read(source.path, source.frame)
        check_image(volume)
        mask = volume.like((volume.array > 500).astype(np.uint8) * 3)
        predictions[role] = Prediction(mask)
    return Result(predictions)


def noise(high, shape=(10, 12, 3)):
    return np.random.default_rng(0).integers(0, high, shape).astype(np.int16)


def heart(array=None):
    """A small NIfTI image, of noise unless told."""
    array = noise(1000) if array is None else array
    return nibabel.Nifti1Image(array, np.diag([1.4, 1.4, 10.0, 1.0]))


def truncated(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def zero_spacing(path):
    data = bytearray(heart().to_bytes())
    data[80:92] = bytes(12)  # pixdim
    data[252:256] = bytes(4)  # qform_code, sform_code: the axes come from pixdim
    path.write_bytes(data)


def saved(array):
    """Something that puts an image of this array at a path."""
    return lambda path: heart(array).to_filename(path)


BAD_FILES = {
    "truncated": (truncated, "truncated"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "words": (lambda path: path.write_text("no image, just words"), "does not hold a NIfTI"),
    "zero spacing": (zero_spacing, "spacing"),
    "NaN": (saved(np.where(noise(9) == 0, np.nan, noise(900)).astype(np.float32)), "NaN"),
    "constant": (saved(np.full((10, 12, 3), 7, np.int16)), "every voxel"),
    "label file": (saved(noise(4)), "label file"),
    "dimensions": (saved(noise(900, (10, 12, 3, 5))), "cine of 5 frames"),
    "absent": (lambda path: path.unlink(), "0 images"),
}


def put(folder, case_id):
    path = folder / case_id / "Images" / f"{case_id}.nii.gz"
    path.parent.mkdir(parents=True)
    heart().to_filename(path)
    return path


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("fault", BAD_FILES)
def test_a_bad_image_costs_its_own_case_only(tmp_path, fault):
    for case_id in ("Case_1", "Case_3"):
        put(tmp_path / "in", case_id)
    spoil, word = BAD_FILES[fault]
    spoil(put(tmp_path / "in", "Case_2"))
    lines = Lines()
    contract = open_contract("emidec", tmp_path / "in", tmp_path / "out")
    assert lines.run(contract, threshold) == 4
    line, last = lines.complained
    assert line.startswith("case Case_2: ")
    assert word in line
    assert ".nii.gz" not in line.split(". ")[0]
    assert last == f"1 of 3 cases failed (summary.csv tells which), such as {line}"
    assert files(tmp_path / "out") == [
        "Case_1/Contours/Case_1.nii.gz",
        "Case_3/Contours/Case_3.nii.gz",
        "details.csv",
        "summary.csv",
        "summary.json",
    ]
    with (tmp_path / "out/summary.csv").open() as stream:
        status = {row["case"]: row["status"] for row in csv.DictReader(stream)}
    assert status == {"Case_1": "done", "Case_2": "failed", "Case_3": "done"}


def test_two_files_in_one_socket(tmp_path):
    socket = tmp_path / "in/images/delayed-enhancement-mri"
    socket.mkdir(parents=True)
    for name in ("a.mha", "b.mha"):
        (socket / name).write_bytes(b"anything")
    contract, lines = open_contract("emidec", tmp_path / "in", tmp_path / "out"), Lines()
    assert lines.run(contract, threshold) == 3
    (line,) = lines.complained
    assert line.startswith("the case: socket delayed-enhancement-mri: 2 images, one is needed.")
    assert files(tmp_path / "out") == []


def test_a_view_missing_is_noted_and_the_rest_segmented(tmp_path):
    path = tmp_path / "in/001/001_SA_ED.nii.gz"
    path.parent.mkdir(parents=True)
    heart().to_filename(path)
    contract, lines = open_contract("mnms2", tmp_path / "in", tmp_path / "out"), Lines()
    assert lines.run(contract, threshold) == 0
    assert lines.said[0] == "case 001: SA_ES not given"
    assert "001/001_SA_ED_pred.nii.gz" in files(tmp_path / "out")


def test_plain_folders_are_told_by_number(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("doe.nii.gz", "roe.nii.gz"):
        heart().to_filename(tmp_path / "in" / name)
    truncated(tmp_path / "in/roe.nii.gz")
    contract, lines = open_contract("emidec", tmp_path / "in", tmp_path / "out"), Lines()
    assert lines.run(contract, threshold) == 4
    told = "\n".join([*lines.said, *lines.complained])
    assert "case 1 of 2: done" in told
    assert "case 2 of 2: " in lines.complained[0]
    assert "doe" not in told
    assert "roe" not in told


def test_a_disk_that_fills_up_keeps_what_was_written(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    mount = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(out)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        for number in range(1, 10):
            put(tmp_path / "in", f"Case_{number}")
        contract, lines = open_contract("emidec", tmp_path / "in", out), Lines()
        assert lines.run(contract, threshold) == 5
        assert "disk of the output folder is full" in lines.complained[-1]
        left = files(out)
        masks = [name for name in left if name.endswith(".nii.gz")]
        assert 1 <= len(masks) < 9
        assert masks == [f"Case_{n}/Contours/Case_{n}.nii.gz" for n in range(1, len(masks) + 1)]
        assert set(left) - set(masks) <= {"details.csv", "summary.csv", "summary.json"}
        for name in masks:
            assert read(out / name).array.shape == (3, 12, 10)
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_a_case_that_hangs_is_one_failed_case():
    def segment(case):
        if case.id == "b":
            time.sleep(60)
        return Result()

    contract = MemoryContract("a", "b", "c")
    code = run(contract, segment, case_timeout=1, say=lambda _: None, complain=lambda _: None)
    assert code == 4
    assert list(contract.written) == ["a", "c"]


def test_what_needs_review_is_told_once_and_kept_apart():
    class Guessing(MemoryContract):
        def cases(self):
            yield Case("a", {}, "case a", warnings=("odd",), review=("guessed",))

    contract, lines = Guessing(), Lines()
    assert lines.run(contract, lambda case: Result(review=("guessed", "tall"))) == 0
    assert contract.summary["a"].review == ("guessed", "tall")
    assert contract.summary["a"].warnings == ("odd", "guessed", "tall")
