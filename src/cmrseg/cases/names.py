"""What names of files tell: of cines, view and phase; of masks, which image they are of.

``SA``, ``SAX``, "short axis", ``LA``, ``LAX``, ``4CH``, "long axis"; ``ED``, "end diastole",
``ES``, "end-systolic". Two letters are also parts of names ("de la Cruz", "Ed"): they count in
capitals, or where view and phase stand side by side (``p7_sa_ed``).

``p7_SA_ED.nii.gz`` may have the mask ``p7_SA_ED_seg``, ``_pred``, ``_gt``, ``_mask``, ``_label`` or
the bare name; nnU-Net's ``x_0000`` has ``x``; BIDS' ``sub-1_acq-SAX_cine`` has
``sub-1_acq-SAX_desc-cine_dseg``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.imaging.read import SUFFIXES

WORDS = {
    "SA": ("SAX", "SHORTAXIS", "SHAX"),
    "LA": ("LAX", "4CH", "LAX4CH", "LA4CH", "4CHAMBER", "FOURCHAMBER", "LONGAXIS"),
    "ED": ("ENDDIASTOLE", "ENDDIASTOLIC"),
    "ES": ("ENDSYSTOLE", "ENDSYSTOLIC"),
}
"""What is said of a view or phase -> in capitals, without what lies between words."""
VIEWS, PHASES = ("SA", "LA"), ("ED", "ES")
OTHER_VIEWS = ("2CH", "3CH", "2CHAMBER", "3CHAMBER", "LVOT", "RVOT")
"""Views of the heart that no network learned."""
LONGEST = 3
"""Words that one term may be of ("4 CHAMBER VIEW" needs two)."""
PARTICLES = ("DE",)
"""Words before which ``LA`` is an article."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a name tells.

    Attributes:
        view: ``SA``, ``LA`` or None.
        phase: ``ED``, ``ES`` or None.
        others: the words that tell neither.
    """

    view: str | None
    phase: str | None
    others: tuple[str, ...]


def told_by(stem: str) -> Told:
    """View and phase that a file's stem tells; None where it tells none, or several."""
    words = [word for word in re.split(r"[\W_]+", stem) if word]
    terms = _terms(words)
    found = {term for term, _ in terms if term}
    views, phases = ([t for t in some if t in found] for some in (VIEWS, PHASES))
    return Told(
        view=views[0] if len(views) == 1 else None,
        phase=phases[0] if len(phases) == 1 else None,
        others=tuple(word for term, word in terms if not term),
    )


def _terms(words: list[str]) -> list[tuple[str | None, str]]:
    """Each word, or words that are one term, with the view or phase that it is."""
    terms: list[tuple[str | None, str]] = []
    at = 0
    while at < len(words):
        for count in range(min(LONGEST, len(words) - at), 0, -1):
            term = _term("".join(words[at : at + count]).upper())
            if term and (count > 1 or _meant(words, at) or (terms and terms[-1][0])):
                break
        else:
            term, count = None, 1
        terms.append((term, "_".join(words[at : at + count])))
        at += count
    return terms


def _term(text: str) -> str | None:
    return next((key for key, names in WORDS.items() if text in (key, *names)), None)


def _meant(words: list[str], at: int) -> bool:
    """Whether a word of two letters tells a view or phase and is no part of a name."""
    word = words[at]
    if len(word) > 2:
        return True
    around = [w.upper() for w in (*words[max(0, at - 1) : at], *words[at + 1 : at + 2])]
    if any(w in WORDS or _term(w) for w in around):
        return True
    return word.isupper() and not (at and words[at - 1].upper() in PARTICLES)


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
