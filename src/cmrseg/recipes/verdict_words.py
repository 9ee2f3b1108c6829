"""Verdict and choice in words, of masks that have names and need not have all structures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cmrseg.quality.control import Assessment
from cmrseg.quality.pseudo_metrics import DECISIVE


def reason(found: Assessment, lacking: Mapping[str, bool]) -> str:
    """The verdict's, of candidates by name; of one without the decisive structure, just that.

    Args:
        found: what quality control says of the masks.
        lacking: name -> whether the mask lacks the decisive structure, in the same order.
    """
    names = list(lacking)

    def named(match: re.Match[str]) -> str:
        name = names[int(match[1]) - 1]
        return f"{name}: no {DECISIVE}" if lacking[name] else f"{name}: {match[2]}"

    said = re.sub(r"candidate (\d+): ([^;)]+)", named, found.verdict.reason)
    if len(names) > 1:
        return said
    return said.replace(" in all candidates", "").replace(" in 1 of 1 candidates", "")


def because(found: Assessment, chosen: Sequence[str], lacking: Mapping[str, bool]) -> str:
    """Why the chosen are taken, given by name; the other arguments as for :func:`reason`."""
    if len(lacking) == 1:
        return "the only mask given"
    if all(lacking.values()):
        return f"the first, as none has an {DECISIVE}"
    if len(chosen) == 1:
        return found.choice.reason
    return (
        f"{found.choice.reason}; where their labels differ all candidates vote, and {chosen[0]} "
        "settles a draw"
    )
