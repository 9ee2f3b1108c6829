"""Which label values a challenge writes, and how a recipe's labels become them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cmrseg.imaging.volume import Volume
from cmrseg.runtime.errors import OutputError, UsageError

Challenge = Literal["emidec", "mnms2"]

# What a recipe's labels mean; the organisers' own numbers.
NAMES: dict[Challenge, dict[int, str]] = {
    "emidec": {1: "cavity", 2: "normal myocardium", 3: "infarction", 4: "no-reflow"},
    "mnms2": {1: "LV", 2: "MYO", 3: "RV"},
}
# Per option, the value written for each of the recipe's labels 0, 1, 2, ...
# emidec: 1 cavity, 2 normal myocardium, 3 infarction, 4 no-reflow.
# mnms2: 1 LV, 2 myocardium, 3 RV; the organisers score the RV alone.
CODES: dict[Challenge, dict[str, tuple[int, ...]]] = {
    "emidec": {"all": (0, 1, 2, 3, 4)},
    "mnms2": {"all": (0, 1, 2, 3), "rv": (0, 0, 0, 3), "rv1": (0, 0, 0, 1)},
}


@dataclass(frozen=True, slots=True)
class LabelCode:
    """A recoding of the recipe's labels on their way out.

    Attributes:
        name: the option's name (``all``, ``rv``, ``rv1``).
        written: value written for the recipe's label 0, 1, 2, ...
    """

    name: str
    written: tuple[int, ...]

    @property
    def allowed(self) -> frozenset[int]:
        """The values that may stand in a written mask."""
        return frozenset(self.written)

    def encode(self, mask: Volume) -> Volume:
        """The mask as uint8 in the written code.

        Raises:
            OutputError: the mask holds a value that is none of the recipe's labels.
        """
        foreign = sorted(set(np.unique(mask.array).tolist()) - set(range(len(self.written))))
        if foreign:
            raise OutputError(
                f"the mask holds the values {foreign}, allowed are 0 to {len(self.written) - 1}",
                "nothing was written for this case; please report it as an internal error",
            )
        table = np.array(self.written, np.uint8)
        return mask.like(table[mask.array.astype(np.intp)])


def label_code(challenge: Challenge, name: str) -> LabelCode:
    """The recoding called ``name`` of a challenge.

    Raises:
        UsageError: the challenge has no such option.
    """
    codes = CODES[challenge]
    if name not in codes:
        raise UsageError(
            f"labels '{name}' is not an option of {challenge}", f"use one of: {', '.join(codes)}"
        )
    return LabelCode(name, codes[name])
