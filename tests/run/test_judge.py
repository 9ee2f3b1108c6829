"""``cmrseg judge``: others' masks in, the best of them out, with verdicts."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from cmrseg.cli import main
from cmrseg.imaging import read
from cmrseg.quality.selection import FEWEST, Fences
from cmrseg.runtime.errors import EXIT_INPUT, EXIT_OK, EXIT_PARTIAL, EXIT_USAGE, EXIT_WEIGHTS
from judging_tools import judging_bundle
from tiny import heart, save, volume

NEVER = Fences(th_low=2.0, th_up_mm=0.0, measures=9)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return judging_bundle(tmp_path_factory.mktemp("judging")).folder


def patients(root, count=2):
    """Images, a good candidate's masks, and another's without the RV."""
    for number in range(1, count + 1):
        name = f"{number:03d}"
        image, mask = volume(number), heart(number)[1]
        for role in ("SA_ED", "SA_ES") if number == 1 else ("SA_ED",):
            if role == "SA_ES":
                mask = np.where(mask == 1, 2, mask).astype(np.uint8)
                mask[0] = 0
            shown = image.like(image.array + (role == "SA_ES"))  # another phase, another image
            save(root / "in" / name / f"{name}_{role}.nii.gz", shown)
            save(root / "good" / name / f"{name}_{role}_pred.nii.gz", image.like(mask))
            lost = np.where(mask == 3, 0, mask)
            save(root / "lost" / f"{name}_{role}.nii.gz", image.like(lost))
    return root


@pytest.fixture
def run(tmp_path, weights):
    """Judge into ``tmp_path/out``."""

    def go(*options, candidates=("lost", "good"), weights=weights):
        given = [f"--candidate={name}={tmp_path / name}" for name in candidates]
        told = ["--weights", str(weights), "--device", "cpu", *options]
        return main.main(
            ["judge", "mnms2", str(tmp_path / "in"), str(tmp_path / "out"), *given, *told]
        )

    return go


def summary(tmp_path):
    told = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    return {one["case"]: one for one in told["cases"]}


def test_one_image_for_two_phases_has_no_ejection_fraction(tmp_path, run):
    patients(tmp_path, count=1)
    shutil.copy(tmp_path / "in/001/001_SA_ED.nii.gz", tmp_path / "in/001/001_SA_ES.nii.gz")
    assert run() == EXIT_OK
    (told,) = summary(tmp_path).values()
    assert "ejection_fraction_percent" not in told["measures"]
    assert any("same image" in reason for reason in told["review"])


def test_the_best_mask_of_each_image_is_written_as_it_was(tmp_path, run, capsys):
    patients(tmp_path)
    assert run() == EXIT_OK
    for path in sorted((tmp_path / "good").rglob("*.nii.gz")):
        written, given = read(tmp_path / "out" / path.parent.name / path.name), read(path)
        np.testing.assert_array_equal(written.array, given.array)
        assert written.geometry.same_as(given.geometry)
    cases = summary(tmp_path)
    measures = cases["001"]["measures"]
    quality = measures["SA_ED"]["quality"]
    assert quality["chosen"] == ["good"]
    assert list(quality["candidates"]) == ["lost", "good"]
    assert quality["candidates"]["lost"]["RV"]["pDC"] == 0.0
    assert quality["thresholds"] == "frozen"
    mask = heart(1)[1]
    ml = 9.0 * 1.25 * 1.3 / 1000
    told_ml = measures["SA_ED"]["volume_ml"]["RV"]
    assert told_ml == pytest.approx((mask == 3).sum() * ml, abs=0.006), "told to 0.01 mL"
    # One of four slices of the same size is missing at end-systole, and all of the LV.
    assert measures["ejection_fraction_percent"] == {
        "LV": 100.0,
        "RV": pytest.approx(25.0, abs=0.15),  # of volumes told to 0.01 mL
    }
    assert "volume_ml_interval" not in measures["SA_ED"], "that is of the bundle's own networks"
    assert cases["001"]["status"] == "done"
    assert cases["001"]["computed"]["precision"] == "fp32"
    entropy = read(tmp_path / "out" / "001" / "001_SA_ED_entropy.nii.gz").array
    np.testing.assert_allclose(entropy[mask == 3], np.log(2), rtol=1e-5)
    assert entropy[mask != 3].max() < 1e-4
    (row, _) = csv.DictReader((tmp_path / "out" / "details.csv").read_text().splitlines())
    assert row["SA_ED.quality.candidates.good.RV.pDC"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "candidate good: number 1 by pDC" in page
    assert (tmp_path / "out" / "report" / "002.png").exists()
    said = capsys.readouterr().out
    assert "001: warning: SA_ES: no LV in the mask" in said
    assert quality["faults"] == {"lost": ["no RV in the mask"]}
    assert cases["001"]["computed"]["candidates"] == "lost, good"


def test_the_report_names_who_gave_the_masks_and_no_segmenter(tmp_path, run):
    patients(tmp_path, 1)
    assert run() == EXIT_OK
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert '<th scope="row">masks given by</th><td class="digest">lost, good</td>' in page
    assert "network mnms2-sa-qc" in page
    assert "network mnms2-sa<" not in page


def test_masks_without_a_heart_are_said_to_hold_none(tmp_path, run, capsys):
    patients(tmp_path, 1)
    for path in (tmp_path / "lost").iterdir():
        save(path, volume(1).like(0 * heart(1)[1]))
    assert run("--no-report", candidates=["lost"]) == EXIT_OK
    said = capsys.readouterr().out
    assert "SA_ED: the mask is empty: there is no heart in it" in said
    quality = summary(tmp_path)["001"]["measures"]["SA_ED"]["quality"]
    assert quality["chosen_because"] == "the only mask given"


def test_masks_of_swapped_phases_are_told_of(tmp_path, run, capsys):
    patients(tmp_path, 1)
    folder = tmp_path / "good" / "001"
    (folder / "001_SA_ED_pred.nii.gz").rename(folder / "kept.nii.gz")
    (folder / "001_SA_ES_pred.nii.gz").rename(folder / "001_SA_ED_pred.nii.gz")
    (folder / "kept.nii.gz").rename(folder / "001_SA_ES_pred.nii.gz")
    assert run("--no-report", candidates=["good"]) == EXIT_OK
    assert "the RV is larger at ES than at ED" in capsys.readouterr().out


def test_done_cases_are_left_out_unless_a_mask_has_changed(tmp_path, run, capsys):
    patients(tmp_path)
    assert run("--no-report") == EXIT_OK
    assert run("--no-report", "--resume") == EXIT_OK
    assert capsys.readouterr().out.count("done before") == 2
    save(tmp_path / "lost" / "001_SA_ES.nii.gz", volume(1).like(heart(1)[1]))
    assert run("--no-report", "--resume") == EXIT_OK
    said = capsys.readouterr().out
    assert "case 001: done in" in said
    assert "case 002: done before" in said


def test_shards_share_the_cases_and_are_gathered(tmp_path, run, capsys):
    patients(tmp_path)
    for shard in ("1/2", "2/2"):
        assert run("--no-report", "--shard", shard) == EXIT_OK
    assert (tmp_path / "out" / "summary-2of2.json").exists()
    assert not (tmp_path / "out" / "summary.json").exists()
    assert run("--no-report", "--resume") == EXIT_OK
    assert list(summary(tmp_path)) == ["001", "002"]
    assert run("--thresholds", "cohort", "--shard", "1/2") == EXIT_USAGE
    assert "a shard sees a part of the cohort" in capsys.readouterr().err


def test_one_candidate_alone_is_judged_and_labels_are_as_asked(tmp_path, run):
    patients(tmp_path, 1)
    assert run("--labels", "rv1", "--no-report", candidates=["good"]) == EXIT_OK
    written = read(tmp_path / "out" / "001" / "001_SA_ED_pred.nii.gz").array
    np.testing.assert_array_equal(written, heart(1)[1] == 3)
    assert not (tmp_path / "out" / "001" / "001_SA_ED_entropy.nii.gz").exists()
    assert not (tmp_path / "out" / "report.html").exists()


def test_what_an_earlier_run_left_is_taken_away(tmp_path, run):
    patients(tmp_path, 1)
    assert run("--no-report") == EXIT_OK
    assert (tmp_path / "out" / "001" / "001_SA_ED_entropy.nii.gz").exists()
    assert run("--no-report", candidates=["good"]) == EXIT_OK
    assert not (tmp_path / "out" / "001" / "001_SA_ED_entropy.nii.gz").exists()


def test_one_bad_image_fails_alone(tmp_path, run, capsys):
    patients(tmp_path)
    (tmp_path / "lost" / "001_SA_ES.nii.gz").unlink()
    assert run("--no-report") == EXIT_PARTIAL
    said = capsys.readouterr().err
    assert "case 001: SA_ES: lost has no mask of this image" in said
    assert summary(tmp_path)["001"]["status"] == "partial"
    assert (tmp_path / "out" / "001" / "001_SA_ED_pred.nii.gz").exists()
    assert not (tmp_path / "out" / "001" / "001_SA_ES_pred.nii.gz").exists()
    assert summary(tmp_path)["002"]["status"] == "done"


def test_where_no_mask_can_be_used_it_is_the_inputs_fault_and_all_is_told(tmp_path, run, capsys):
    patients(tmp_path)
    for path in (tmp_path / "lost").iterdir():
        save(path, volume(5))
    (tmp_path / "good" / "001" / "001_SA_ES_pred.nii.gz").unlink()
    assert run("--no-report") == EXIT_INPUT
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith("case 001: SA_ED: the mask of lost has values that are not labels")
    assert "; SA_ES: the mask of lost has values that are not labels" in line
    assert "; good has no mask of this image" in line
    assert {one["status"] for one in summary(tmp_path).values()} == {"failed"}
    shutil.rmtree(tmp_path / "lost")
    assert run("--no-report") == EXIT_INPUT
    assert "the folder of lost does not exist" in capsys.readouterr().err


def test_masks_out_of_range_are_told_of_and_written(tmp_path, run, tmp_path_factory, capsys):
    patients(tmp_path, 1)
    strict = judging_bundle(tmp_path_factory.mktemp("strict"), NEVER).folder
    assert run("--no-report", weights=strict) == EXIT_OK
    told = summary(tmp_path)["001"]["measures"]
    assert told["SA_ED"]["quality"]["out_of_distribution"]
    assert told["SA_ED"]["quality"]["reason"].startswith(
        "RV out of range in all candidates (lost: no RV; good: pDC "
    )
    assert "flagged SA_ED and SA_ES" in told["ejection_fraction_percent_note"]["RV"]
    assert "SA_ED: quality control: RV out of range" in capsys.readouterr().out


def test_thresholds_of_the_masks_at_hand(tmp_path, run, capsys):
    patients(tmp_path, FEWEST)
    (tmp_path / "good" / "002" / "002_SA_ED_pred.nii.gz").unlink()
    save(tmp_path / "in" / "009" / "009_SA_ED.nii.gz", volume(9))
    save(tmp_path / "good" / "009" / "009_SA_ED_pred.nii.gz", volume(9).like(heart(9)[1]))
    assert run("--no-report", "--thresholds", "cohort", candidates=["good"]) == EXIT_PARTIAL
    said = capsys.readouterr().out
    assert "looked at (9/9)" in said
    assert "thresholds of the cohort: SA_ED is in range from pDC" in said
    assert f"({FEWEST} pseudo-measures)" in said, "the case without a mask has none"
    assert "SA_ES: 1 images are too few for quartiles" in said
    told = summary(tmp_path)["001"]["measures"]
    assert told["SA_ED"]["quality"]["thresholds"] == "cohort"
    assert told["SA_ED"]["quality"]["th_up_mm"] < 999.0
    assert told["SA_ES"]["quality"]["thresholds"] == "frozen"


def test_a_view_without_quality_control_is_told_of(tmp_path, run, capsys):
    patients(tmp_path, 1)
    long = volume(4, slices=1)
    save(tmp_path / "in" / "001" / "001_LA_ED.nii.gz", long)
    assert run("--no-report") == EXIT_OK
    said = "LA_ED: not judged, the bundle has no quality control for it"
    assert said in capsys.readouterr().out
    for path in (tmp_path / "in" / "001").glob("*_SA_*"):
        path.unlink()
    save(tmp_path / "lost" / "001_LA_ED.nii.gz", long.like(heart(4, (1, 40, 44))[1]))
    assert run("--no-report", candidates=["lost"]) == EXIT_WEIGHTS
    assert "no quality control for LA_ED" in capsys.readouterr().err


def test_the_platforms_sockets(tmp_path, run, capsys):
    slug = "sa-ed-cine-mri"
    save(tmp_path / "in" / "images" / slug / "8b1f.mha", volume(1))
    (tmp_path / "in" / "inputs.json").write_text(json.dumps([{"socket": {"slug": slug}}]))
    name = "images/sa-ed-segmentation/output.mha"
    save(tmp_path / "good" / name, volume(1).like(heart(1)[1]))
    assert run(candidates=["good"]) == EXIT_OK
    np.testing.assert_array_equal(read(tmp_path / "out" / name).array, heart(1)[1])
    told = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert told["measures"]["SA_ED"]["quality"]["chosen"] == ["good"]
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert left == {"output.mha", "results.json"}
    for asked in (["--report"], ["--thresholds", "cohort"], ["--resume"], ["--shard", "1/2"]):
        assert run(*asked, candidates=["good"]) == EXIT_USAGE
        assert "one case a call" in capsys.readouterr().err


def test_masks_may_not_be_written_over(tmp_path, run, capsys):
    patients(tmp_path, 1)
    shutil.copytree(tmp_path / "good", tmp_path / "out")
    assert run(candidates=["out"]) == EXIT_USAGE
    assert "the output folder holds the masks of out" in capsys.readouterr().err


def test_a_bundle_that_cannot_judge(tmp_path, run, bundles, capsys):
    patients(tmp_path, 1)
    assert run(weights=bundles) == EXIT_WEIGHTS
    assert "has no quality control" in capsys.readouterr().err
