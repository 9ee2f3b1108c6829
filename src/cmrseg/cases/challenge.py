"""What each challenge is: the one place that layouts, sockets, recipes, report and commands read.

A third data set begins with a :class:`ChallengeSpec` here. Importing this loads no library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Challenge = Literal["emidec", "mnms2"]
GridMm = tuple[float | None, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeSpec:
    """One challenge.

    Attributes:
        name: on the command line, in bundles and in summaries.
        title: what is segmented, in words.
        after: whose method the recipe follows.
        labels: label -> structure; the organisers' own numbers.
        codes: option -> the value written for each of the recipe's labels 0, 1, 2, ...
        roles: the images a patient may have.
        grids_mm: network recipe -> the spacing (z, y, x) it works at; None for the image's own.
        cohorts: whether thresholds and refinement can be taken from all cases of a run.
        by_body_size: whether measures are also given by the patient's body surface area.
        called: pattern of names that such images have among others, case ignored; empty for none.
    """

    name: Challenge
    title: str
    after: str
    labels: dict[int, str]
    codes: Mapping[str, tuple[int, ...]]
    roles: tuple[str, ...]
    grids_mm: Mapping[str, GridMm]
    cohorts: bool
    by_body_size: bool = False
    called: str = ""

    @property
    def one_image(self) -> bool:
        """Whether a patient has one image, whose role no name need tell."""
        return len(self.roles) == 1


EMIDEC = ChallengeSpec(
    name="emidec",
    title="late enhancement, short axis: cavity, myocardium, infarction, no-reflow",
    after="Arega et al. 2021 (EMIDEC)",
    labels={1: "cavity", 2: "normal myocardium", 3: "infarction", 4: "no-reflow"},
    codes={"all": (0, 1, 2, 3, 4)},
    roles=("LGE",),
    # In plane as nnU-Net chose for these data (arega2021 section 2.2).
    grids_mm={"emidec": (None, 1.458, 1.458)},
    cohorts=False,
    called="lge|psir|late",
)
MNMS2 = ChallengeSpec(
    name="mnms2",
    title="cine, short and long axis, ED and ES: LV, myocardium, RV",
    after="Galati and Zuluaga 2021 (M&Ms-2)",
    labels={1: "LV", 2: "MYO", 3: "RV"},
    # The organisers score the RV alone.
    codes={"all": (0, 1, 2, 3), "rv": (0, 0, 0, 3), "rv1": (0, 0, 0, 1)},
    roles=("SA_ED", "SA_ES", "LA_ED", "LA_ES"),
    grids_mm={"mnms2-sa": (None, 1.5, 1.5), "mnms2-la": (None, 1.5, 1.5)},
    cohorts=True,
    by_body_size=True,
)
SPECS: Mapping[Challenge, ChallengeSpec] = {spec.name: spec for spec in (EMIDEC, MNMS2)}
"""By name."""
