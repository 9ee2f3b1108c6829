"""Sample cases through an algorithm that is right, and through others that are not."""

import os
import socket
import sys
from pathlib import Path

import pytest

from cmrseg_lab.lint_image import trial
from cmrseg_lab.lint_image.engine import SANDBOX, Engine
from cmrseg_lab.lint_image.sample import SamplePatient
from tiny import volume

STAND_IN = Path(__file__).parent / "stand_in.py"
EXEC, HEALTH, CASES, SIGTERM = trial.NAMES


@pytest.fixture
def engine(tmp_path, monkeypatch):
    command = tmp_path / "engine"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    command.chmod(0o755)
    state = tmp_path / "state"
    state.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("STAND_IN", str(state))
    monkeypatch.setenv("STAND_IN_PORT", str(port))
    monkeypatch.setattr(trial, "INTO_THE_CASE_S", 0.1)
    return Engine(str(command))


@pytest.fixture
def stage(tmp_path):
    samples = tuple(SamplePatient("emidec", {"LGE": volume(n, slices=n)}) for n in (2, 3))
    return trial.TrialStage(samples, tmp_path / "input", tmp_path / "output")


def invoked(engine, fault, stage):
    return {check.name: check for check in trial.invocations(engine, fault, stage)}


def test_a_good_algorithm_passes_both_ways(engine, stage, tmp_path):
    check = trial.exec_case(engine, "none", stage)
    assert (check.name, check.verdict) == (EXEC, "pass")
    checks = invoked(engine, "none", stage)
    assert {name: c.verdict for name, c in checks.items()} == dict.fromkeys(trial.NAMES[1:], "pass")
    calls = (tmp_path / "state/calls").read_text().splitlines()
    runs = [call for call in calls if call.startswith("run ")]
    assert len(runs) == 2
    for call in runs:
        assert " ".join(SANDBOX) in call
        assert " --user " in call
        assert " 0:" not in call
    assert calls[-1].startswith("rm --force")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("crash", "exit code 1: the model is broken"),
        ("int16", "the mask is int16, the platform takes UInt8"),
        ("labels", "the mask holds [9]"),
        ("nan", "results.json is no strict JSON"),
        ("litter", "left behind: debug.log"),
    ],
)
def test_faults_of_a_single_case(fault, told, engine, stage):
    check = trial.exec_case(engine, fault, stage)
    assert check.verdict == "fail"
    assert told in check.found
    assert check.remedy


def test_a_case_without_end_is_ended(engine, stage, monkeypatch):
    monkeypatch.setattr(trial, "CASE_S", 3.0)
    check = trial.exec_case(engine, "slow", stage)
    assert check.verdict == "fail"
    assert "124" in check.found


def test_a_server_that_remembers_its_first_input(engine, stage):
    check = invoked(engine, "stale", stage)[CASES]
    assert check.verdict == "fail"
    assert "case 2: delayed-enhancement-segmentation: it does not lie on the voxels" in check.found
    assert "case 1" not in check.found


def test_a_server_that_answers_200_where_201_is_due(engine, stage):
    check = invoked(engine, "status", stage)[CASES]
    assert (check.verdict, check.found) == ("fail", "case 1: 200 written; case 2: 200 written")


def test_a_server_that_leaves_half_an_output(engine, stage, monkeypatch):
    monkeypatch.setattr(trial, "CASE_S", 1.0)
    monkeypatch.setattr(trial, "CALL_S", 2.0)
    monkeypatch.setattr(trial, "INTO_THE_CASE_S", 2.0)
    check = invoked(engine, "slow", stage)[SIGTERM]
    assert (check.verdict, check.found) == ("fail", "it left half an output")


def test_a_server_that_does_not_hear_sigterm(engine, stage, monkeypatch):
    monkeypatch.setattr(trial, "GRACE_S", 0.5)
    check = invoked(engine, "deaf", stage)[SIGTERM]
    assert check.verdict == "fail"
    assert check.found.startswith("still running after ")


def check_that_nothing_follows(checks, told):
    assert checks[HEALTH].verdict == "fail"
    assert told in checks[HEALTH].found
    assert [checks[name].verdict for name in (CASES, SIGTERM)] == ["skip", "skip"]


def test_a_server_that_ends_at_once(engine, stage):
    checks = invoked(engine, "crash", stage)
    check_that_nothing_follows(checks, "the server ended: the model is broken")


def test_a_server_that_never_gets_well(engine, stage, monkeypatch):
    monkeypatch.setattr(trial, "HEALTH_S", 5)
    checks = invoked(engine, "unhealthy", stage)
    check_that_nothing_follows(checks, "no 200 within 5 s, but 503 so it is")


def test_samples_lie_on_different_voxels_in_folders_anybody_may_read():
    with trial.staged("mnms2") as stage:
        first, second = stage.samples
        assert set(first.images) == {"SA_ED", "SA_ES", "LA_ED", "LA_ES"}
        for role, image in first.images.items():
            assert not second.images[role].geometry.same_as(image.geometry)
        old = os.umask(0o077)
        try:
            stage.set(first)
        finally:
            os.umask(old)
        files = [path for path in stage.input_dir.rglob("*") if path.is_file()]
        assert sorted(path.suffix for path in files) == [".json", *[".mha"] * 4]
        assert all(path.stat().st_mode & 0o044 == 0o044 for path in files)
        assert stage.output_dir.stat().st_mode & 0o777 == 0o777
    assert not stage.input_dir.exists()
