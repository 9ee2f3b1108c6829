"""A case's verdict: the gravest that applies, in words, with a sign of its own."""

from typing import get_args

import pytest

from cmrseg.quality.pseudo_metrics import DECISIVE as JUDGED_BY
from cmrseg.report.canvas import Sign
from cmrseg.report.status import (
    DECISIVE,
    FAILED,
    FLAGGED,
    KINDS,
    PARTIAL,
    PASSED,
    REVIEW,
    UNCHECKED,
    WARNED,
    lowest_agreement,
    lowest_pdc,
    recorded_uncertainty,
    status_of,
    warnings_beside,
)
from report.made import cine, enhanced, failed, judged


@pytest.mark.parametrize(
    ("record", "kind", "reasons"),
    [
        (failed("a", "it is constant. give another."), FAILED, ("it is constant. give another.",)),
        (
            cine("a", pdc=0.5),
            FLAGGED,
            ("RV outline unlike trained hearts at ES: score 0.50, limit 0.80",),
        ),
        (
            cine("a", phd_mm=30),
            FLAGGED,
            ("RV outline unlike trained hearts at ES: distance 30.0 mm, limit 20.0 mm",),
        ),
        (cine("a", pdc=0.5, status="partial", error="x"), FLAGGED, None),
        (cine("a", status="partial", error="LA_ED: x"), PARTIAL, ("LA_ED: x",)),
        (cine("a", warnings=["one", "two"]), WARNED, ("one", "two")),
        (cine("a", warnings=["guess"], review=["guess"]), REVIEW, ("guess",)),
        (cine("a", pdc=0.5, review=["guess"]), FLAGGED, None),
        (cine("a", notes=["no long axis given"]), PASSED, ()),
        (cine("a"), PASSED, ()),
        (cine("a", pdc=None), UNCHECKED, ()),
        (enhanced("a"), UNCHECKED, ()),
        (judged("a"), PASSED, ()),
        (
            judged("a", 0.8),
            FLAGGED,
            ("networks disagree on the cavity: agreement 0.80, limit 0.90",),
        ),
    ],
)
def test_the_gravest_that_applies_is_said_with_its_reasons(record, kind, reasons):
    verdict = status_of(record)
    assert verdict.kind is kind
    assert reasons is None or verdict.reasons == reasons


def test_what_is_odd_about_an_image_is_said_before_what_is_odd_about_its_mask():
    reasons = status_of(cine("a", pdc=0.5, review=["guess"])).reasons
    assert reasons[0] == "guess"
    assert "RV outline" in reasons[1]


def test_no_two_verdicts_share_a_sign_a_glyph_a_colour_or_words():
    for trait in ("name", "sign", "glyph", "colour", "words"):
        assert len({getattr(kind, trait) for kind in KINDS}) == len(KINDS)
    assert {kind.sign for kind in KINDS} == set(get_args(Sign))


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_colour_can_be_read_on_white(kind):
    assert 1.05 / (luminance(kind.colour) + 0.05) >= 4.5, "WCAG AA"


def test_of_two_alike_the_more_doubtful_comes_first():
    for doubtful, sure in (
        (cine("a", pdc=0.82), cine("b", pdc=0.95)),
        (enhanced("a", 1e-3), enhanced("b", 1e-5)),
    ):
        assert status_of(doubtful).order < status_of(sure).order


def test_measures_are_found_where_recipes_put_them():
    assert DECISIVE == JUDGED_BY
    assert lowest_pdc(cine("a", pdc=0.83)) == 0.83
    assert lowest_pdc(enhanced("a")) is None
    assert lowest_agreement(cine("a")) == 0.94
    assert lowest_agreement(enhanced("a")) == 0.85
    assert recorded_uncertainty(enhanced("a", 0.25)) == 0.25
    assert recorded_uncertainty(cine("a")) is None
    assert lowest_agreement(failed("a")) is None


def test_a_flag_is_told_once():
    flag = "SA_ES: quality control: RV out of range in all candidates"
    assert warnings_beside(cine("a", pdc=0.5, warnings=[flag, "odd"])) == ["odd"]
    assert warnings_beside(cine("a", warnings=["odd"])) == ["odd"]


def test_a_structure_of_little_dice_to_expect_is_named():
    record = cine("a")
    quality = record["measures"]["SA_ES"]["quality"]
    quality |= {"out_of_distribution": True, "doubtful": {"LV": 0.61}}
    found = status_of(record)
    assert found.kind == FLAGGED
    (reason,) = found.reasons
    assert "ES: LV Dice of 0.61" in reason
