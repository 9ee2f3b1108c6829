"""What masks are called after their images: one rule for all that pairs the two by name.

``p7_SA_ED.nii.gz`` may have ``p7_SA_ED_seg``, ``_pred``, ``_gt``, ``_mask``, ``_label`` or the bare
name; nnU-Net's ``x_0000`` has ``x``; BIDS' ``sub-1_acq-SAX_cine`` has
``sub-1_acq-SAX_desc-cine_dseg``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.names import told_by
from cmrseg.imaging.read import SUFFIXES

ENDINGS = ("_seg", "_pred", "_gt", "_dseg", "_mask", "_label", "_labels", "_prediction")
"""What is put after an image's name for its mask."""
CHANNEL = "_0000"
"""What nnU-Net puts after a case's name for its image."""
_BIDS = re.compile(r"_desc-(\w+?)_dseg$")


def split_format(name: str) -> tuple[str, str]:
    """A file's stem and the ending of its format; no ending where the format is not read."""
    fitting = [end for end in SUFFIXES if name.lower().endswith(end)]
    ending = max(fitting, key=len, default="")
    return name[: len(name) - len(ending)], ending


def is_mask(stem: str) -> bool:
    """Whether a stem says that it is a mask's."""
    return stem.lower().endswith(ENDINGS)


def bare(stem: str) -> str:
    """A mask's or an image's stem without all that tells masks, images and channels apart."""
    stem = _BIDS.sub(r"_\1", stem)
    for ending in (*sorted(ENDINGS, key=len, reverse=True), CHANNEL):
        if stem.lower().endswith(ending) and len(stem) > len(ending):
            return stem[: -len(ending)]
    return stem


def case_and_role(challenge: Challenge, stem: str) -> tuple[str, str]:
    """Which image of which case a bare stem is: its words that tell no view or phase, and those.

    Args:
        challenge: of whose roles one is to be found.
        stem: of an image or, made bare, of its mask.
    """
    if stem.startswith("sub-"):
        stem = "_".join(part for part in stem.split("_") if _is_entity(part))
    roles = SPECS[challenge].roles
    if len(roles) == 1:
        return stem, roles[0]
    told = told_by(stem)
    role = f"{told.view or 'SA'}_{told.phase or 'ED'}"
    if not (told.view and told.phase):
        return stem, role
    if stem.startswith("sub-"):
        parts = [(part, told_by(part)) for part in stem.split("_")]
        return "_".join(part for part, of in parts if not (of.view or of.phase)), role
    return "_".join(told.others) or stem, role


def _is_entity(part: str) -> bool:
    """Whether a part of a BIDS name says which image it is; suffix and description do not."""
    return "-" in part and not part.startswith("desc-")


def masks_of(stem: str) -> Iterator[str]:
    """Stems that an image's mask may have, the likeliest first."""
    short = bare(stem)
    for one in dict.fromkeys((stem, short)):
        yield one
        yield from (one + ending for ending in ENDINGS)
