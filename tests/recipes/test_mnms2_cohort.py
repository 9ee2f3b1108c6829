"""All cases are looked at before the first is answered, and what that changes is told."""

from __future__ import annotations

import json

import pytest

from cmrseg.cases.case import Case, ImageSource
from cmrseg.cli import main
from cmrseg.models import bundle
from cmrseg.quality.replay import Rehearsal
from cmrseg.quality.selection import FEWEST, Fences
from cmrseg.recipes.mnms2_cohort import settle
from cmrseg.run.predict import model
from cmrseg.runtime.errors import EXIT_OK, EXIT_USAGE, UsageError
from cmrseg_lab.training.pack import pack, record_quality
from tiny import make_autoencoder, make_checkpoint, quality_entry, sample, save, volume

NEVER = Fences(th_low=2.0, th_up_mm=0.0, measures=9)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Two candidates that are always out of range of the frozen thresholds."""
    runs = tmp_path_factory.mktemp("runs")
    paths = [make_checkpoint(runs / str(seed), "mnms2-sa", seed=seed) for seed in (3, 4)]
    paths.append(make_autoencoder(runs / "qc", "mnms2-sa-qc"))
    out = pack("mnms2", paths, runs / "mnms2")
    one = sample(1)
    known = Rehearsal(one.image[:, 4:36, 4:36], one.label[:, 4:36, 4:36])
    record_quality(out, "mnms2-sa", quality_entry(SA_ED=NEVER, SA_ES=NEVER), known)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Enough patients with ED for thresholds of their own, one with ES too, one unreadable."""
    out = tmp_path_factory.mktemp("cohort")
    for number in range(FEWEST):
        save(out / f"{number:03d}" / f"{number:03d}_SA_ED.nii.gz", volume(number, slices=3))
    save(out / "000" / "000_SA_ES.nii.gz", volume(90, slices=3))
    (out / "bad").mkdir()
    (out / "bad" / "bad_SA_ED.nii.gz").write_bytes(b"no image")
    return out


def options(weights):
    return ["--weights", str(weights), "--device", "cpu", "--mirrors", "1", "--precision", "fp32",
            "--no-report"]  # fmt: skip


def summary(out):
    told = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return {one["case"]: one for one in told["cases"]}


def test_thresholds_of_the_cohort(tmp_path, folder, weights, capsys):
    command = ["predict", "mnms2", str(folder), str(tmp_path / "out"), *options(weights)]
    assert main.main([*command, "--thresholds", "cohort", "--resume"]) == 4  # one is no image
    said = capsys.readouterr().out
    assert f"looked at ({FEWEST + 1}/{FEWEST + 1})" in said
    assert "SA_ES: 1 images are too few for quartiles" in said
    cases = summary(tmp_path / "out")
    told = [cases[f"{n:03d}"]["measures"]["SA_ED"]["quality"] for n in range(FEWEST)]
    assert {one["thresholds"] for one in told} == {"cohort"}
    assert len({one["th_low"] for one in told}) == 1
    assert told[0]["th_low"] < NEVER.th_low
    assert not all(one["out_of_distribution"] for one in told)
    alone = cases["000"]["measures"]["SA_ES"]["quality"]
    assert (alone["thresholds"], alone["th_low"]) == ("frozen", NEVER.th_low)
    # The same cohort leaves the same thresholds: nothing is answered anew.
    assert main.main([*command, "--thresholds", "cohort", "--resume"]) == 4
    assert capsys.readouterr().out.count("done before") == FEWEST
    # The frozen ones are others.
    assert main.main([*command, "--resume"]) == 4
    assert "done before" not in capsys.readouterr().out


def test_refinement_over_the_cohort(tmp_path, folder, weights):
    made = model("mnms2", bundle.load(weights, "mnms2"), device="cpu", mirrors=1, precision="fp32",
                 refine_s=0.5)  # fmt: skip
    cases = [
        Case(f"{n:03d}", {"SA_ED": ImageSource(folder / f"{n:03d}" / f"{n:03d}_SA_ED.nii.gz")}, "c")
        for n in range(2)
    ]
    lines = []
    settled = settle(made, cases, ["refine"], lines.append)
    said = " | ".join(map(str, lines))
    assert "SA: 2 images of 2 cases out of distribution, refining for up to 1 s" in said
    assert "candidate 2: " in said
    assert set(settled) == {"refined SA"}
    refiner = made.inspectors["SA"].refiner
    assert len(refiner.cohort) == 2
    told = made.segment(cases[0]).measures["SA_ED"]["quality"]["refinement"]
    assert told["over"] == "cohort"


@pytest.mark.parametrize("option", ["--thresholds", "--refine"])
def test_one_case_is_no_cohort(tmp_path, folder, weights, option, capsys):
    save(tmp_path / "in" / "images" / "short-axis-ed-cine-mri" / "a.mha", volume())
    out = tmp_path / "out"
    out.mkdir()
    sockets = ["predict", "mnms2", str(tmp_path / "in"), str(out), *options(weights)[:-1]]
    sockets += ["--contract", "grand-challenge"]
    assert main.main([*sockets, option, "cohort"]) == EXIT_USAGE
    assert "one case a call" in capsys.readouterr().err
    parts = ["predict", "mnms2", str(folder), str(out), *options(weights), "--shard", "1/2"]
    assert main.main([*parts, option, "cohort"]) == EXIT_USAGE
    assert "a shard sees a part of the cohort" in capsys.readouterr().err
    serve = ["serve", "mnms2", "--weights", str(weights), "--port", "0", option, "cohort"]
    assert main.main(serve) == EXIT_USAGE
    assert "a request brings one case" in capsys.readouterr().err


def test_a_bundle_without_quality_control_is_told_of(tmp_path):
    plain = pack("mnms2", [make_checkpoint(tmp_path / "r", "mnms2-sa")], tmp_path / "plain")
    made = model("mnms2", bundle.load(plain, "mnms2"), device="cpu")
    with pytest.raises(UsageError, match="no quality control"):
        settle(made, [], ["thresholds"], print)


def test_without_a_choice_a_run_is_as_ever(tmp_path, weights):
    path = save(tmp_path / "in" / "001" / "001_SA_ED.nii.gz", volume(slices=3))
    command = ["predict", "mnms2", str(path.parents[1]), str(tmp_path / "out"), *options(weights)]
    assert main.main(command) == EXIT_OK
    told = summary(tmp_path / "out")["001"]["measures"]["SA_ED"]["quality"]
    assert told["thresholds"] == "frozen"
    assert "refinement" not in told
