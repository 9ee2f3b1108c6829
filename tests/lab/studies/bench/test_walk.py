from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from cmrseg.cases.case import Case, Result
from cmrseg.cases.detect import open_contract
from cmrseg.models.bundle import find
from cmrseg.run.predict import model
from cmrseg.runtime.errors import CmrsegError, InputError
from cmrseg_lab.studies.bench.walk import STEPS, TIMED, Stopwatch, Walk, shares, walk


def test_steps_add_up_to_the_total() -> None:
    one = Walk.of({"read": 1.0, "write": 2.0}, network_s=6.0, total_s=10.0)
    assert tuple(one.seconds) == STEPS
    assert one.seconds["rest"] == pytest.approx(1.0)
    assert one.seconds["restore"] == 0.0
    assert one.outside == pytest.approx(0.4)
    assert sum(one.seconds.values()) == pytest.approx(one.total_s)


def test_shares_are_of_each_walk_own_total() -> None:
    quick = Walk.of({"read": 1.0}, network_s=1.0, total_s=2.0)
    slow = Walk.of({"read": 1.0}, network_s=9.0, total_s=10.0)
    assert shares([quick, slow])["read"].values == (0.5, 0.1)


def test_a_stopwatch_books_calls_and_leaves_no_trace() -> None:
    def nap(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    owner, watch = SimpleNamespace(nap=nap), Stopwatch()
    with watch.around(owner, "nap", "sleep"):
        assert owner.nap(0.02) + owner.nap(0.03) == 0.05
        with pytest.raises(TypeError):
            owner.nap("long")
    assert owner.nap is nap
    assert 0.05 <= watch.seconds["sleep"] < 0.5


def test_every_timed_function_is_still_there() -> None:
    for owner, name, step in TIMED:
        assert callable(getattr(owner, name))
        assert step in STEPS


@pytest.mark.parametrize("challenge", ["emidec", "mnms2"])
def test_a_real_walk(challenge: str, weights: Path, samples: Path, tmp_path: Path) -> None:
    contract = open_contract(challenge, samples / challenge, tmp_path)  # type: ignore[arg-type]
    segment = model(challenge, find(challenge, weights), device="cpu").segment  # type: ignore[arg-type]
    walks = walk(contract, segment, rounds=2)
    assert len(walks) == 2
    for one in walks:
        for step in ("read", "prepare", "network", "restore", "measures", "write"):
            assert one.seconds[step] > 0
        assert one.seconds["rest"] > -0.02  # times are rounded to milliseconds
        assert 0 < one.outside < 1


def test_a_failing_case_is_no_measurement(samples: Path, tmp_path: Path) -> None:
    def fail(case: Case) -> Result:
        raise InputError("it is blank", "scan again")

    contract = open_contract("emidec", samples / "emidec", tmp_path)
    with pytest.raises(CmrsegError, match="it is blank"):
        walk(contract, fail, rounds=1)
