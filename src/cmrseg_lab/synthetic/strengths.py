"""Artefacts by name and strength, as a command line writes them; what they do is in ``artefacts``.

No numpy here: the command line's help lists these names.
"""

from __future__ import annotations

from cmrseg.cases.challenge import EMIDEC, MNMS2
from cmrseg.runtime.errors import UsageError

IMAGE = ("ghosting", "banding", "motion", "wrap")
"""Artefacts of the image."""

NAMES: dict[str, tuple[str, ...]] = {
    EMIDEC.name: (*IMAGE, "noise", "inversion"),
    MNMS2.name: (*IMAGE, "noise"),
}
"""What a challenge's images can have: also low signal, and (late enhancement alone) a wrong
inversion time."""


def parse(text: str | None, challenge: str) -> dict[str, float]:
    """Strengths from ``ghosting``, ``ghosting=0.4`` or several with commas between.

    Raises:
        UsageError: no such artefact in this challenge, or a strength that is no number from 0 to 1.
    """
    strengths = {}
    for part in (part.strip() for part in text.split(",")) if text else ():
        if not part:
            continue  # a comma too many
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in NAMES[challenge]:
            raise UsageError(
                f"there is no artefact {name!r} in {challenge}",
                f"choose from {', '.join(NAMES[challenge])}",
            )
        strengths[name] = _strength(name, value or "0.6")
    return strengths


def _strength(name: str, value: str) -> float:
    try:
        strength = float(value)
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1:
        raise UsageError(
            f"{value!r} is no strength of {name}", f"give a number from 0 to 1: {name}=0.5"
        )
    return strength
