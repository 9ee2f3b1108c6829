"""Which label values a challenge writes, and how a recipe's labels become them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.imaging.volume import Volume
from cmrseg.runtime.errors import OutputError, UsageError


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
    codes = SPECS[challenge].codes
    if name not in codes:
        raise UsageError(
            f"labels '{name}' is not an option of {challenge}", f"use one of: {', '.join(codes)}"
        )
    return LabelCode(name, codes[name])
