"""Records of cases as ``summary.json`` has them, and the parts of a page as a reader finds them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np

from cmrseg.report.page import run_pages

ROLES = ("SA_ED", "SA_ES", "LA_ED", "LA_ES")
DIGEST = "ab" * 32


def control(pdc: float = 0.95, phd_mm: float = 4.0) -> dict[str, Any]:
    """Quality control's finding on an image."""
    flagged = pdc < 0.8 or phd_mm > 20
    return {
        "out_of_distribution": flagged,
        "reason": "RV out of range in all candidates" if flagged else "RV in range in 3 of 3",
        "th_low": 0.8,
        "th_up_mm": 20.0,
        "chosen": [2],
        "chosen_because": "number 1 by pDC, the first with pHD in range",
        "answer": {"LV": {"pDC": 0.97, "pHD_mm": 3.0}, "RV": {"pDC": pdc, "pHD_mm": phd_mm}},
        "candidates": [{"RV": {"pDC": pdc, "pHD_mm": phd_mm}}],
    }


def cine(case: str, pdc: float = 0.95, phd_mm: float = 4.0, **changed: Any) -> dict[str, Any]:
    """An M&Ms-2 case whose worst image has these measures; ``pdc=None`` for no quality control."""
    measures: dict[str, Any] = {}
    for n, role in enumerate(ROLES):
        key, scale = ("volume_ml", 10.0) if role.startswith("SA") else ("area_cm2", 1.0)
        measures[role] = {
            key: {"LV": 12 * scale - n, "MYO": 9 * scale, "RV": 15 * scale - n},
            "agreement": {"LV": 0.98, "MYO": 0.96, "RV": 0.94},
        }
        if pdc is not None:
            bounds = {"LV": 0.9, "MYO": 0.8, "RV": round(0.9 * pdc, 3)}
            measures[role]["dice_at_least"] = bounds
            measures[role]["quality"] = control(*((pdc, phd_mm) if n == 1 else ()))
    measures["ejection_fraction_percent"] = {"LV": 55.1, "RV": 48.0}
    if pdc is not None and measures["SA_ES"]["quality"]["out_of_distribution"]:
        note = "not to be trusted: quality control flagged SA_ES"
        measures["ejection_fraction_percent_note"] = {"LV": note, "RV": note}
    return record(case, measures, **changed)


def enhanced(case: str, uncertainty: float = 1e-4, **changed: Any) -> dict[str, Any]:
    """An EMIDEC case."""
    measures = {
        "volume_ml": {"cavity": 101.2, "myocardium": 120.0, "infarction": 22.5, "no_reflow": 0.0},
        "infarcted_percent": 18.8,
        "volume_ml_interval": {"infarction": {"mean": 23.0, "low": 20.5, "high": 25.5}},
        "interval": "the networks' own doubt",
        "uncertainty": {
            "image_level": uncertainty,
            "dice_within_samples": {"cavity": 0.99, "infarction": 0.85},
        },
    }
    return record(case, measures, **changed)


FENCES = {"cavity": 0.9, "no_reflow": 0.5}


def judged(case: str, cavity: float = 0.97, **changed: Any) -> dict[str, Any]:
    """An EMIDEC case that the agreement of samples was judged by."""
    found = enhanced(case, **changed)
    low = cavity < FENCES["cavity"]
    found["measures"]["quality"] = {
        "out_of_distribution": low,
        "reason": f"samples agree on cavity to {cavity:.3f} < 0.900" if low else "as expected",
        "samples_agree": {"cavity": cavity, "no_reflow": 0.8},
        "fences": FENCES,
    }
    return found


def record(case: str, measures: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """What is told of a case."""
    return {
        "case": case,
        "status": "done",
        "error": None,
        "seconds": 4.25,
        "measures": measures,
        "computed": {"device": "cpu", "threads": 2, "bundle": DIGEST},
        "timings_s": {"network": 3.0, "around": 1.0, "report": 0.2, "total": 4.25},
        "warnings": [],
        "review": [],
        "notes": [],
        "masks": {},
    } | changed


def failed(case: str, error: str = "the image is constant. give another.") -> dict[str, Any]:
    """A case without a mask."""
    return record(case, {}, status="failed", error=error, computed={}, timings_s={"total": 0.1})


def summary(challenge: str, cases: list[dict[str, Any]]) -> dict[str, Any]:
    """``summary.json``, parsed."""
    return {"cmrseg": "0.1.0", "challenge": challenge, "contract": challenge, "cases": cases}


def many(count: int) -> dict[str, Any]:
    """A run of M&Ms-2 cases as a cohort has them: most in range, some not, some failed."""
    rng = np.random.default_rng(7)
    cases = []
    for n in range(count):
        name = f"patient {n:04d}"
        if n % 97 == 5:
            cases.append(failed(name))
            continue
        pdc = round(float(np.clip(rng.normal(0.93, 0.05), 0.2, 1)), 4)
        warnings = ["SA_ED: time was short: 2 mirror images instead of 4"] if n % 31 == 3 else []
        cases.append(cine(name, pdc, round(float(rng.gamma(2, 3)), 2), warnings=warnings))
    return summary("mnms2", cases)


class Page(HTMLParser):
    """A page taken apart: tags have to be closed as they were opened.

    Attributes:
        cases: case names in the order in which they stand.
        tags: (tag, attributes) of all that was opened.
        text: all that a reader sees.
    """

    VOID = frozenset({"meta", "img", "input", "link", "br", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._said: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], "what was opened is closed"
        self.text = "".join(self._said)
        self.cases = re.findall(r'<button type="button" class="open"[^>]*>(.*?)</button>', html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self._said.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of every tag of a kind."""
        return [attrs for name, attrs in self.tags if name == tag]


def run_page(summary, pictures, weights=None, *, command="", made=None):
    """The page of a run, HTML; of a large cohort the first one."""
    return next(run_pages(summary, pictures.get, weights, command=command, made=made))[1]
