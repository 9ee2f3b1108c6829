"""The head of a picture: as high as it says, nothing beyond the width it asks for."""

import numpy as np

from cmrseg.report.canvas import Canvas
from cmrseg.report.case_header import Head
from cmrseg.report.overview import Overview, overview
from cmrseg.report.status import status_of
from report.made import cine, enhanced, failed


def drawn(record, room=1000):
    head = Head(case=record["case"], verdict=status_of(record), overview=overview(record))
    canvas = Canvas(room, head.high(room) + 40)
    end = head.draw(canvas, 0, 0, room)
    return head, np.asarray(canvas.image), end


def test_it_is_as_high_as_it_says_and_as_wide_as_its_numbers():
    for record in (cine("a", pdc=0.3), enhanced("b"), failed("c")):
        head, image, end = drawn(record)
        assert round(end) == head.high(1000)
        assert (image[head.high(1000) :] == 255).all()
        assert (image[:, max(round(head.wide) + 2, 450) :] == 255).all(), "words need 450 at most"
        assert (image < 128).any()


def test_a_long_reason_goes_on_in_further_lines_but_not_without_end():
    short, long, endless = (
        drawn(failed("a", "the image is constant " * count))[0].high(600) for count in (1, 8, 500)
    )
    assert short < long < endless < short + 100


def test_without_verdict_and_numbers_the_name_is_left():
    head = Head(case="a", verdict=None, overview=Overview())
    assert head.wide == 0
    assert head.high(500) < drawn(enhanced("a"))[0].high(500)
