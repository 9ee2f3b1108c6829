"""What tests of several rooms share: one thread, and bundles of tiny untrained networks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Tiny networks lose far more to threads that wait for each other than they gain by them.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever asks how many CPUs there are hears of one."""
    monkeypatch.setattr("cmrseg.runtime.device.cpu_limit", lambda: 1)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``emidec/`` and ``mnms2/``: bundles of randomly initialised tiny networks."""
    import tiny

    return tiny.make_bundles(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def no_usual_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights lie in the usual places."""
    monkeypatch.delenv("CMRSEG_WEIGHTS", raising=False)
    monkeypatch.setattr("cmrseg.models.bundle.PLACES", (tmp_path / "nowhere",))
    monkeypatch.setattr("cmrseg.models.bundle.CHECKOUT", tmp_path / "no_checkout")
