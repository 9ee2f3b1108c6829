"""The page in a real browser: it opens offline, sorts by keyboard, finds, loads late, and prints.

Skipped where there is no Chromium; ``CMRSEG_SCREENSHOTS`` names a folder to keep what was seen in.
"""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cmrseg.report.canvas import Canvas, carried, small_jpeg
from cmrseg.report.page import Picture, Weights
from report.browser import Browser, found
from report.made import DIGEST, many, run_page
from report.test_page import MANIFEST

pytestmark = pytest.mark.skipif(
    not found(), reason="NO BROWSER: the report's page is not looked at (apt install chromium)"
)


VIEW = {"role": "SA_ED", "slices": 3, "worst": 1, "grey": 0, "heat": 1, "mask": 0, "rebuilt": None}
ABOUT = json.dumps({"columns": 2, "lines": 1, "rows": 3, "views": [VIEW]})


def published(folder, count):
    """A run's page with a picture for each case that did not fail."""
    told = many(count)
    (folder / "report").mkdir(parents=True)
    pictures = {}
    for case in told["cases"]:
        if case["status"] == "failed":
            continue
        canvas = Canvas(640, 200)
        canvas.text(20, 20, case["case"], size=30)
        grey = np.full((96, 96, 3), 128, np.uint8)
        path = folder / "report" / f"{case['case']}.png"
        path.write_bytes(canvas.png(small_jpeg(grey, 96)))
        found = carried(path)
        href = f"report/{path.name}".replace(" ", "%20")
        pictures[case["case"]] = Picture(
            href=href,
            thumbnail=found.thumbnail,
            size=found.size,
            viewer=ABOUT,
            slices=f"{href}.slices.webp",
            lines=f"{href}.lines.webp",
        )
        for ending in ("slices", "lines"):
            Image.new("RGB", (20, 30)).save(f"{path}.{ending}.webp")
    page = folder / "report.html"
    page.write_text(
        run_page(told, pictures, Weights(digest=DIGEST, manifest=MANIFEST)), encoding="utf-8"
    )
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return published(tmp_path_factory.mktemp("run"), 12)


@pytest.fixture(scope="module")
def opened(page, tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("home")) as browser:
        browser.open(page)
        yield browser


@pytest.fixture
def browser(opened, page):
    opened.requests.clear()
    opened.complaints.clear()
    opened.open(page)
    return opened


def kept(browser, name, tmp_path, **options):
    """A screenshot, kept where somebody wants to look at it; it shows more than one colour."""
    folder = Path(os.environ.get("CMRSEG_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    path = browser.screenshot(folder / f"{name}.png", **options)
    seen = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    assert len(np.unique(seen, axis=0)) > 100
    return path


FIRST = (
    "[...document.querySelectorAll('#cases > tbody')].map(b => b.querySelector('.open').innerText)"
)
SEEN = "[...document.querySelectorAll('#cases > tbody')].filter(b => b.offsetHeight > 0).length"


def test_it_opens_offline_and_asks_for_nothing_elsewhere(browser, page, tmp_path):
    kept(browser, "page", tmp_path, whole=True)
    assert browser.complaints == []
    asked = [url for url in browser.requests if not url.startswith("data:")]
    assert asked == [page.as_uri()], "pictures wait until their case is opened"
    shown = browser.ask("[...document.images].filter(i => i.naturalWidth > 0).length")
    assert shown == 11, "a thumbnail for each but the failed case"
    assert browser.ask(FIRST)[0] == "patient 0005", "the failed one"


def test_style_and_script_pass_the_page_s_own_policy(browser):
    sticky = browser.ask("getComputedStyle(document.querySelector('#cases thead th')).position")
    assert sticky == "sticky"
    hindered = browser.ask(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        " document.body.append(s); return window.ran === undefined; })()"
    )
    assert hindered, "no other script runs, wherever it comes from"


def test_columns_sort_by_keyboard_both_ways_and_say_so(browser, tmp_path):
    for _ in range(100):
        browser.press("Tab")
        if browser.ask("document.activeElement.innerText").startswith("Lowest pDC"):
            break
    sorted_by = "document.querySelector('[aria-sort]').innerText.trim().split(/\\s/)[0]"
    way = "document.querySelector('[aria-sort]').getAttribute('aria-sort')"
    values = (
        "[...document.querySelectorAll('#cases > tbody')].map(b => b.rows[0].cells[8].innerText)"
    )
    browser.press("Enter", "\r")
    assert (browser.ask(sorted_by), browser.ask(way)) == ("Lowest", "descending")
    down = browser.ask(values)
    browser.press(" ", " ")
    assert browser.ask(way) == "ascending"
    up = browser.ask(values)
    numbers = [float(text) for text in up if text]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 5
    assert [text for text in down if text] == up[:-1][::-1]
    assert down[-1] == up[-1] == "", "who has no value stands last"
    kept(browser, "sorted", tmp_path)


def test_a_case_is_found_by_what_is_told_of_it(browser):
    browser.ask("document.getElementById('find').focus()")
    browser.write("time was SHORT")
    assert browser.ask(SEEN) == browser.ask("document.querySelectorAll('b.warned').length") == 1
    assert browser.ask("document.getElementById('found').innerText") == "1 of 12 cases"


def test_chips_show_their_kinds_alone(browser):
    browser.ask("document.querySelector('.chips [data-kind=failed]').click()")
    assert browser.ask(SEEN) == 1
    browser.ask("document.querySelector('.chips [data-kind=warned]').click()")
    assert browser.ask(SEEN) == 2
    browser.ask("document.querySelectorAll('.chips [aria-pressed=true]').forEach(c => c.click())")
    assert browser.ask(SEEN) == 12


def test_a_case_opens_by_keyboard_and_only_then_loads_its_slices(browser, page, tmp_path):
    browser.ask("document.querySelector('#case-0 .open').focus()")
    browser.press("Enter", "\r")
    names = ("slices.webp", "lines.webp")
    wanted = {(page.parent / f"report/patient 0000.png.{n}").as_uri() for n in names}
    for _ in range(100):  # on a busy machine it takes a while
        loaded = {url for url in browser.requests if url.startswith("file") and ".png" in url}
        if len(loaded) >= len(wanted):
            break
        browser.ask("new Promise(go => setTimeout(go, 200))")
    assert loaded == wanted
    assert browser.complaints == []
    kept(browser, "opened", tmp_path)


def test_slices_are_leafed_through_and_layers_switched_by_keyboard(browser):
    browser.ask("document.querySelector('#case-0 .open').click()")
    told = "document.querySelector('#case-0 figcaption').innerText"
    assert browser.ask(told) == "SA ED, slice 2 of 3", "the worst"
    browser.ask("document.querySelector('#case-0 .stage').focus()")
    for key, expected in (("ArrowDown", 3), ("ArrowDown", 3), ("ArrowUp", 2), ("ArrowLeft", 1)):
        browser.press(key)
        assert browser.ask(told) == f"SA ED, slice {expected} of 3"
    place = "document.querySelector('#case-0 .layer').style.backgroundPosition"
    assert browser.ask(place) == "0% 0%"
    browser.ask(
        "document.querySelector('#case-0 .stage')"
        ".dispatchEvent(new WheelEvent('wheel', { deltaY: 120, cancelable: true }))"
    )
    assert browser.ask(place) == "0% 50%"
    shown = "[...document.querySelectorAll('#case-0 .layer')].map(l => l.offsetHeight > 0)"
    assert browser.ask(shown) == [True, False, True], "grey values and contours"
    browser.press("c")
    browser.press("u")
    assert browser.ask(shown) == [True, True, False]


def test_it_prints_what_a_reader_would_have_opened(browser, tmp_path):
    browser.media("print")
    kept(browser, "print", tmp_path, whole=True)
    browser.media("screen")
    few = browser.pdf()
    assert few.startswith(b"%PDF")
    assert browser.ask("document.querySelectorAll('#cases tr.more:not([hidden])').length") == 0
    pages = few.count(b"/Type /Page\n") + few.count(b"/Type /Page ")
    assert 3 <= pages < 12, "all at length, in fewer pages than there are cases"


def test_it_fits_a_phone_and_tells_what_each_number_is(browser, tmp_path):
    browser.size(390, 800)
    kept(browser, "phone", tmp_path, whole=True)
    assert browser.ask("document.documentElement.scrollWidth") == 390
    assert browser.ask(FIRST)[0] == "patient 0005"
    told = (
        "(() => { const c = document.querySelector('#case-0 .number');"
        " return getComputedStyle(c, '::before').content; })()"
    )
    assert browser.ask(told).startswith('"LV EF, %')
    browser.size(1400, 1000)


@pytest.mark.parametrize("width", [600, 800, 1100, 1280, 1301, 1440, 1920])
def test_nothing_stands_beyond_the_edge_of_a_window(browser, width):
    browser.size(width, 900)
    assert browser.ask("document.documentElement.scrollWidth") == width
    browser.size(1400, 1000)


def test_a_thousand_cases_open_and_sort_in_a_moment(tmp_path):
    page = published(tmp_path / "run", 1000)
    with Browser(tmp_path / "home") as browser:
        began = time.monotonic()
        browser.open(page)
        assert time.monotonic() - began < 60
        milliseconds = browser.ask(
            "(() => { const t = performance.now();"
            " document.querySelectorAll('#cases thead button')[2].click();"
            " document.body.offsetHeight; return performance.now() - t; })()"
        )
        assert milliseconds < 10_000
        assert browser.ask("document.querySelectorAll('#cases > tbody').length") == 1000
        pictures = [url for url in browser.requests if url.endswith(".png")]
        assert len(pictures) == 0
        assert browser.complaints == []
        kept(browser, "thousand", tmp_path)
