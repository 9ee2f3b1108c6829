"""What a folder of synthetic patients was drawn with, so that no two runs mix in one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cmrseg.runtime.errors import OutputError, UsageError

GENERATION = 4
"""Raised whenever the same seed gives another patient than before."""

FILE = "synthetic.json"
"""Beside the cases. Runs of the first generation left none."""

CASES = ("dataset", "emidec-dataset-1.0.1")
"""Where the layouts keep cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisRun:
    """Everything the files of a run depend on.

    Attributes:
        challenge: ``emidec`` or ``mnms2``.
        patients: how many; more of them leave the first ones as they are.
        seed: of the run.
        group: disease of all patients, None if drawn.
        style: as asked for.
        artefact: as asked for.
        generation: of the generator.
    """

    challenge: str
    patients: int
    seed: int
    group: str | None
    style: str
    artefact: str | None
    generation: int = GENERATION


def claim(run: SynthesisRun, output_dir: Path) -> None:
    """Write the run's record into its folder, before its first case.

    A folder may be claimed again by the same run, for as many patients or more.

    Raises:
        UsageError: the folder holds other cases, or more of these.
        OutputError: the record cannot be written.
    """
    remedy = "choose an empty folder, or delete what is in there"
    try:
        record = json.loads((output_dir / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if any(any(output_dir.glob(f"{folder}/*")) for folder in CASES):
            raise UsageError("the output folder holds cases of another origin", remedy) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{FILE} in the output folder cannot be read", remedy) from error
    else:
        _check(record, asdict(run), remedy)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        (output_dir / FILE).write_text(json.dumps(asdict(run), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"the record of the synthetic patients cannot be written ({error.strerror})",
            "check that the output folder may be written to and has space left",
        ) from error


def generation_in(folder: Path) -> int | None:
    """Which generation drew the patients in a folder; None for patients that were not drawn."""
    try:
        record = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    drawn = record.get("generation") if isinstance(record, dict) else None
    return drawn if isinstance(drawn, int) else None


def _check(there: object, asked: dict[str, object], remedy: str) -> None:
    """Refuse what differs; ``there`` is whatever JSON the file held."""
    known = there if isinstance(there, dict) else {}
    for name, value in asked.items():
        if name != "patients" and known.get(name) != value:
            raise UsageError(
                "the output folder holds synthetic patients of another run: "
                f"{name} {known.get(name)} there, {value} asked for",
                remedy,
            )
    held = known.get("patients")
    if not isinstance(held, int) or held > int(str(asked["patients"])):
        raise UsageError(
            f"the output folder holds {held} patients of this run, {asked['patients']} asked for",
            f"ask for {held} or more, or {remedy}",
        )
