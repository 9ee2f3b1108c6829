"""What the names of cine files tell of view and phase.

``SA``, ``SAX``, "short axis", ``LA``, ``LAX``, ``4CH``, "long axis"; ``ED``, "end diastole",
``ES``, "end-systolic". Two letters are also parts of names ("de la Cruz", "Ed"): they count in
capitals, or where view and phase stand side by side (``p7_sa_ed``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
