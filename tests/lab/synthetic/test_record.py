from dataclasses import replace
from pathlib import Path

import pytest

from cmrseg.runtime.errors import EXIT_USAGE, UsageError
from cmrseg_lab.synthetic.synthesize import FILE, SynthesisRun, claim

RUN = SynthesisRun(challenge="mnms2", patients=3, seed=1, group=None, style="in", artefact=None)


def test_the_same_run_may_go_on_and_grow(tmp_path: Path) -> None:
    for patients in (3, 3, 5):
        claim(replace(RUN, patients=patients), tmp_path)
    with pytest.raises(UsageError, match="holds 5 patients of this run, 4 asked for"):
        claim(replace(RUN, patients=4), tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("challenge", "emidec"), ("seed", 2), ("group", "HCM"), ("style", "out"),
     ("artefact", "noise"), ("generation", 1)],
)  # fmt: skip
def test_another_run_is_refused(tmp_path: Path, name: str, value: object) -> None:
    claim(RUN, tmp_path)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(UsageError, match=f"another run: {name}") as refused:
        claim(replace(RUN, **{name: value}), tmp_path)  # type: ignore[arg-type]
    assert refused.value.exit_code == EXIT_USAGE
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize("folder", ["dataset", "emidec-dataset-1.0.1"])
def test_cases_of_unknown_origin_are_left_alone(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder / "001").mkdir(parents=True)
    with pytest.raises(UsageError, match="another origin"):
        claim(RUN, tmp_path)
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"seed": 1}'])
def test_a_record_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError):
        claim(RUN, tmp_path)
