"""Training pairs made out of labelled images of another kind: real texture, known labels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np

from cmrseg.imaging.volume import Volume
from cmrseg.runtime.errors import InputError
from cmrseg_lab.synthetic.implant import implant_infarct
from cmrseg_lab.synthetic.reformat import four_chamber
from cmrseg_lab.training import datasets
from cmrseg_lab.training.datasets import Labelled

Remake = Callable[[Volume, Volume], tuple[Volume, Volume]]
"""Image and labels in, another image with its labels out."""

NORMAL_SHARE = 0.25
"""Hearts that get no infarct: a network must know those too."""


def reformatted(data: Path) -> tuple[list[Labelled], Remake]:
    """4-chamber slices out of the short-axis stacks of a folder in the M&Ms-2 layout.

    Raises:
        InputError: there is no labelled stack.
    """
    return datasets.mnms2(data, "SA"), four_chamber


def implanted(data: Path) -> tuple[list[Labelled], Remake]:
    """Late enhancement with infarcts put on: onto EMIDEC's images, or onto short-axis cine.

    Raises:
        InputError: the folder holds neither challenge's labelled images.
    """
    try:
        items, cine = datasets.emidec(data), False
    except InputError:
        items, cine = datasets.mnms2(data, "SA"), True
    seeds = count()

    def remake(image: Volume, label: Volume) -> tuple[Volume, Volume]:
        seed = next(seeds)
        rng = np.random.default_rng(seed)
        share = 0.0 if rng.random() < NORMAL_SHARE else float(rng.uniform(0.04, 0.45))
        core = float(rng.choice([0.0, rng.uniform(0.05, 0.5)]))
        source = "cine" if cine else "late"
        return implant_infarct(image, label, seed=seed, share=share, core_share=core, source=source)  # type: ignore[arg-type]

    return items, remake
