"""The cases that measurements and checks are made on."""

from __future__ import annotations

from pathlib import Path

from cmrseg.cases.case import Case
from cmrseg.cases.challenge import Challenge
from cmrseg.cases.detect import open_contract
from cmrseg.runtime.errors import InputError
from cmrseg_lab.synthetic.synthesize import synthesize

CHECKOUT = Path(__file__).resolve().parents[3] / "tests" / "samples"
"""The committed sample cases."""
SEED = 1


def sample_case(challenge: Challenge, samples: Path | None, scratch: Path) -> Case:
    """The first sample case of a challenge; a synthetic one where there are none.

    Args:
        challenge: whose.
        samples: holds ``emidec/`` and ``mnms2/``; None for the checkout's samples.
        scratch: an empty folder to work in.

    Raises:
        InputError: ``samples`` holds no such case.
    """
    source = (samples or CHECKOUT) / challenge
    if samples is None and not source.is_dir():
        source = scratch / "synthetic"
        synthesize(challenge, source, patients=1, seed=SEED, jobs=1)
    case = next(iter(open_contract(challenge, source, scratch / "none").cases()), None)
    if case is None:
        raise InputError(f"there is no sample case of {challenge}", "give --samples their folder")
    return case
