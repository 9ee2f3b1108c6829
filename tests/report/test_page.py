"""A run's page: every case, worst first, from one file that asks for nothing elsewhere."""

import re
import time
from datetime import UTC, datetime

import pytest

from cmrseg.report.methods import methods
from cmrseg.report.page import Picture, Weights
from cmrseg.report.status import KINDS
from report.made import (
    DIGEST,
    Page,
    cine,
    enhanced,
    failed,
    judged,
    many,
    record,
    run_page,
    summary,
)

MANIFEST = {
    "cmrseg": "0.1.0",
    "commit": "c0ffee1",
    "networks": [{"file": "net.safetensors", "recipe": "mnms2-sa"}],
    "files": {"net.safetensors": "cd" * 32},
    "data": {"acdc": {"title": "ACDC", "licence": "CC BY-NC-SA 4.0"}},
    "quality": {
        "mnms2-sa": {
            "thresholds": {"SA_ES": {"th_low": 0.8, "th_up_mm": 20.0, "measures": 32}},
            "population": {"SA_ES": {"pDC": [0.85, 0.9, 0.93, 0.95, 0.99], "pHD_mm": [2, 5, 19]}},
            "fitted_on": "16 held-out patients of acdc",
        }
    },
}
WEIGHTS = Weights(digest=DIGEST, manifest=MANIFEST)


def test_cases_stand_worst_first():
    cases = [
        cine("fine"),
        cine("doubted", pdc=0.85),
        cine("warned", warnings=["a view is missing"]),
        cine("flagged", pdc=0.7),
        cine("flagged worse", pdc=0.3),
        cine("partly", status="partial", error="LA_ES: the image is constant."),
        failed("lost"),
    ]
    page = Page(run_page(summary("mnms2", cases), {}, WEIGHTS))
    order = ["lost", "flagged worse", "flagged", "partly", "warned", "doubted", "fine"]
    assert page.cases == order
    assert "the image is constant. give another." in page.text
    assert "LA_ES: the image is constant." in page.text
    assert "RV outline unlike trained hearts at ES: score 0.70, limit 0.80" in page.text


def test_the_most_uncertain_of_equals_comes_first():
    cases = [enhanced("sure", 1e-5), enhanced("unsure", 1e-2), enhanced("between", 1e-3)]
    page = Page(run_page(summary("emidec", cases), {}))
    assert page.cases == ["unsure", "between", "sure"]


def test_every_verdict_has_words_and_a_sign_beside_its_colour():
    cases = [cine("a"), cine("b", pdc=0.3), failed("c"), cine("d", pdc=None)]
    html = run_page(summary("mnms2", cases), {}, WEIGHTS)
    cells = re.findall(r'<b class="(\w+)"><span[^>]*>(.)</span> ([^<]+)</b>', html)
    assert {kind: sign for kind, sign, _ in cells} == {
        "failed": "\u2715",
        "flagged": "\u25b2",
        "passed": "\u2713",
        "unchecked": "\u25cb",
    }
    assert all(words.strip() for _, _, words in cells)


def test_numbers_come_with_units_intervals_and_what_they_were_made_by():
    page = Page(run_page(summary("emidec", [enhanced("a")]), {}, WEIGHTS))
    for told in (
        "22.5 (95 %: 20.5 to 25.5; mean of samples 23.0)",
        "Volume [mL]",
        "Intervals: the networks' own doubt",
        "18.8 %",
        "4.25 s",
        "c0ffee1",
        DIGEST,
        "cd" * 32,
        "CC BY-NC-SA 4.0",
    ):
        assert told in page.text
    ejected = Page(run_page(summary("mnms2", [cine("a")]), {}, WEIGHTS)).text
    assert "Ejection fraction [%]" in ejected
    assert "55.1" in ejected


def test_nothing_is_asked_for_but_pictures_beside_the_page():
    picture = Picture(
        href="report/a.png",
        thumbnail="QUJD",
        size=(800, 400),
        viewer="{}",
        slices="report/a.s",
        lines="report/a.l",
    )
    pictures = {"a": picture}
    html = run_page(summary("mnms2", [cine("a"), cine("b")]), pictures, WEIGHTS)
    page = Page(html)
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http:" not in html.replace("http-equiv", "")
    assert "https:" not in html
    assert page.all("link") == []
    assert all("src" not in script for script in page.all("script"))
    sources = [image["src"] for image in page.all("img")]
    assert sources == ["data:image/jpeg;base64,QUJD", "report/a.png"]
    (viewer,) = [div for div in page.all("div") if div.get("class") == "viewer"]
    assert (viewer["data-slices"], viewer["data-lines"]) == ("report/a.s", "report/a.l")
    (sheet,) = [image for image in page.all("img") if image["src"] == "report/a.png"]
    assert (sheet["loading"], sheet["width"], sheet["height"]) == ("lazy", "800", "400")
    assert all(image["alt"] for image in page.all("img"))
    assert "There is no picture of this case" in page.text


def test_names_and_errors_are_text_never_markup():
    evil = '<script>alert("x")</script>'
    cases = [cine(evil, warnings=[evil]), failed("b", evil), cine("\udce4", pdc=0.1), cine("d")]
    html = run_page(summary("mnms2", cases), {}, WEIGHTS)
    assert len(Page(html).all("script")) == 1
    assert Page(html).text.count(evil) >= 4


def test_fences_of_the_training_population_are_drawn_and_what_lies_beyond_is_linked():
    cases = [cine(f"c{n}", pdc=0.9 + n / 100) for n in range(6)] + [cine("odd", pdc=0.5)]
    html = run_page(summary("mnms2", cases), {}, WEIGHTS)
    figures = re.findall(r"<figure>.*?</figure>", html, re.S)
    (drawn,) = [figure for figure in figures if "SA_ES RV pDC" in figure]
    assert "out of range &lt; 0.800" in drawn
    assert "fence: Tukey&#39;s, of 32 masks of 16 held-out patients of acdc" in drawn
    assert re.findall(r'<a href="#case-(\d+)">', drawn) == ["6"]
    assert "odd: 0.500" in drawn
    assert drawn.count('class="trained"') == 2, "box and line of the training population"
    assert "under an axis are the training population" in html
    assert 'id="case-6"' in html


def test_a_number_of_a_flagged_image_is_doubted_in_words_and_with_a_sign():
    cases = [cine("fine"), cine("odd", pdc=0.3)]
    html = run_page(summary("mnms2", cases), {}, WEIGHTS)
    cells = re.findall(r'<td class="number flagged".*?</span>(\S+?)<', html)
    assert cells == ["55.1", "48.0", "119", "149"], "EF and ES of the odd case alone"
    reason = "not to be trusted: quality control flagged SA_ES"
    (row,) = re.findall(r'<th scope="row">RV</th><td>48.0 (<span.*?)</td>', html)
    assert "\u25b2" in row
    assert reason in row


def test_a_case_opens_to_its_numbers_side_by_side():
    html = run_page(summary("mnms2", [cine("a", pdc=0.3)]), {}, WEIGHTS)
    seen = html[html.index('<table class="seen">') : html.index('<details class="every">')]
    groups = re.findall(r'<th scope="colgroup" colspan="(\d)">([^<]+)', seen)
    assert groups[:2] == [("1", "Ejection fraction [%]"), ("2", "Volume [mL]")]
    lines = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', seen, re.S)
    assert [name for name, _ in lines] == ["LV", "MYO", "RV"]
    cells = {name: re.findall(r"<td>(.*?)</td>", cells, re.S) for name, cells in lines}
    assert {name: len(row) for name, row in cells.items()} == dict.fromkeys(cells, 13)
    assert cells["MYO"][0] == "", "no ejection fraction"
    assert "\u25b2" in cells["RV"][2]
    assert "quality control flagged SA_ES" in cells["RV"][2]
    assert "\u25b2" not in cells["RV"][1]


def test_one_value_is_one_value():
    page = Page(run_page(summary("mnms2", [cine("a")]), {}, WEIGHTS))
    assert "1 value, 0 out of range" in page.text
    assert "1 values" not in page.text


def test_every_verdict_has_its_colour():
    html = run_page(summary("mnms2", [cine("a")]), {})
    for kind in KINDS:
        assert f".{kind.name} {{ color: {kind.colour}; }}" in html


def test_late_enhancement_is_judged_by_how_samples_agree():
    trust = {"fitted_on": "80 held-out patients", "fences": {"cavity": 0.9}, "population": {}}
    cases = [judged("fine"), judged("odd", 0.75), enhanced("not judged")]
    html = run_page(summary("emidec", cases), {}, Weights(digest=DIGEST, manifest={"trust": trust}))
    page = Page(html)
    assert page.cases[0] == "odd"
    assert "networks disagree on the cavity: agreement 0.75, limit 0.90" in page.text
    assert "0.750 (in range: from 0.900)" in page.text
    figures = re.findall(r"<figure>.*?</figure>", html, re.S)
    (drawn,) = [figure for figure in figures if "agree on cavity" in figure]
    assert "out of range &lt; 0.900" in drawn
    assert re.findall(r'<a href="#case-(\d+)">', drawn) == ["1"]
    assert "no fences can be drawn" not in page.text


def test_scores_are_a_table():
    table = "|  | DC | HD (mm) |\n| --- | ---: | ---: |\n| RV SA | 0.9 (0.05) | 15.6 (6.6) |"
    scores = {"cases": 16, "command": "cmrseg validate mnms2", "table": table}
    weights = Weights(digest=DIGEST, manifest=MANIFEST | {"scores_out_of_fold": scores})
    html = run_page(summary("mnms2", [cine("a")]), {}, weights)
    shown = html[html.index('<table class="scores">') :]
    assert re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", shown) == [
        *("", "DC", "HD (mm)"),
        *("RV SA", "0.9 (0.05)", "15.6 (6.6)"),
    ]
    assert "16 held-out cases, measured by cmrseg validate mnms2" in Page(html).text
    assert "| DC |" not in html


def test_without_thresholds_the_page_says_that_there_are_no_fences():
    cases = [enhanced(f"c{n}", n / 1e4) for n in range(5)]
    page = Page(run_page(summary("emidec", cases), {}))
    assert "no fences can be drawn" in page.text
    assert len(page.all("figure")) > 3
    one = Page(run_page(summary("emidec", cases[:1]), {}))
    assert "no fences can be drawn" in one.text, "of too few cases for any drawing too"
    assert one.all("figure") == []
    lost = Page(run_page(summary("mnms2", [failed("a")]), {}, WEIGHTS))
    assert "no fences can be drawn" not in lost.text, "it has them"


def test_an_empty_run_and_one_case_are_pages_too():
    assert Page(run_page(summary("mnms2", []), {}, WEIGHTS)).cases == []
    assert Page(run_page(summary("emidec", [failed("a")]), {})).cases == ["a"]


def test_notes_are_no_warnings_and_columns_without_numbers_are_left_out():
    found = record("a", {"SA_ED": {"volume_ml": {"LV": 120.0, "RV": 140.0}}}, notes=["no LA"])
    html = run_page(summary("mnms2", [found]), {}, WEIGHTS)
    assert "No LA." in Page(html).text
    assert '<b class="unchecked">' in html
    heads = re.findall(
        r'<th scope="col" class="number"><button type="button">(.*?)[ <]*<small', html
    )
    assert heads == ["LV, ED", "RV, ED"]


def test_masks_are_linked_and_opened_in_slicer_and_the_run_is_told():
    found = cine("a b", masks={"SA_ED": "a b/a b_SA_ED_pred.nii.gz"})
    made = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    told = "cmrseg predict mnms2 INPUT OUTPUT"
    page = Page(run_page(summary("mnms2", [found]), {}, WEIGHTS, command=told, made=made))
    assert "a%20b/a%20b_SA_ED_pred.nii.gz" in [link["href"] for link in page.all("a")]
    assert "slicer.util.loadSegmentation" in page.text
    assert "2026-03-01 09:30 UTC" in page.text
    assert told in page.text


def test_the_methods_paragraph_tells_what_was_recorded_and_numbers_its_sources():
    cases = [cine("a", pdc=0.3), cine("b"), failed("c")]
    for one in cases[:2]:
        one["computed"] |= {"mirrors": 4, "samples": 0}
    found = methods(summary("mnms2", cases), MANIFEST, DIGEST)
    assert "Quality control flagged" in found.text
    assert "1 of 8" in found.text, "images"
    assert "4 in all" in found.text
    assert DIGEST[:12] in found.text
    assert [one[:3] for one in found.sources] == ["[1]", "[2]"], "the manifest here cites nothing"
    assert "end-diastole and end-systole" in found.text
    given = record("a", {"SA_ED": {"volume_ml": {"LV": 120.0}}})
    assert "end-systole" not in methods(summary("mnms2", [given]), {}, "").text
    late = methods(summary("emidec", [judged("a", computed={"mirrors": 4, "samples": 20})]), {}, "")
    assert "20 Monte-Carlo" in late.text
    once = methods(summary("emidec", [judged("a", computed={"mirrors": 1, "samples": 20})]), {}, "")
    assert "augmentation" not in once.text
    assert "SHA-256" not in late.text


@pytest.fixture(scope="module")
def thousand():
    told = many(1000)
    thumbnail = "A" * 4000
    pictures = {
        case["case"]: Picture(href=f"report/{n}.png", thumbnail=thumbnail, size=(1740, 900))
        for n, case in enumerate(told["cases"])
    }
    started = time.process_time()
    html = run_page(told, pictures, WEIGHTS)
    return html, time.process_time() - started


def test_a_thousand_cases_make_a_page_that_opens(thousand):
    html, seconds = thousand
    assert len(html) < 16e6, "bytes, a quarter of them thumbnails"
    assert seconds < 15
    cases = Page(html).cases
    assert len(cases) == len(set(cases)) == 1000
    assert html.count('<img class="sheet" loading="lazy"') == html.count('class="sheet"') == 1000
    assert html.count("<svg") < 30, "distributions do not grow with the cases"
