"""Signs that differ in shape, PNG files that carry a thumbnail, text that is always drawn."""

import base64
import io
from itertools import combinations
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from cmrseg.report.canvas import (
    Canvas,
    Carried,
    Sign,
    carried,
    drawable_text,
    small_jpeg,
    width,
    wrapped_lines,
)


def sign(kind):
    canvas = Canvas(40, 40)
    canvas.sign(kind, 4, 4, 32, "#000000")
    return np.asarray(canvas.image.convert("L")) < 128


@pytest.mark.parametrize(("one", "other"), list(combinations(get_args(Sign), 2)))
def test_signs_differ_by_shape_without_any_colour(one, other):
    a, b = sign(one), sign(other)
    assert a.any()
    assert b.any()
    assert (a & b).sum() / (a | b).sum() < 0.75


def test_a_picture_carries_its_thumbnail_and_its_size(tmp_path):
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[:100] = 255
    small = small_jpeg(pixels, 60)
    assert Image.open(io.BytesIO(small)).size == (60, 40)
    path = tmp_path / "a.png"
    path.write_bytes(Canvas(320, 90).png(small))
    found = carried(path)
    size, thumbnail = found.size, found.thumbnail
    assert size == (320, 90)
    assert base64.b64decode(thumbnail) == small
    (tmp_path / "b.png").write_bytes(Canvas(10, 10).png())
    assert carried(tmp_path / "b.png") == Carried((10, 10))


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_carries_nothing(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert carried(tmp_path / "a.png") is None
    assert carried(tmp_path / "none.png") is None


def test_any_name_can_be_drawn():
    canvas = Canvas(400, 40)
    end = canvas.text(5, 5, "\u5fc3 \udce4 M\u00fcller")
    assert drawable_text("\u5fc3 12 cm\u00b2") == "\\u5fc3 12 cm2"
    assert end > 60
    assert (np.asarray(canvas.image) < 128).any()


def test_lines_break_where_words_allow_and_nothing_is_lost():
    words = "the right ventricle is out of range in all candidates"
    lines = wrapped_lines(words, 13, 120)
    assert " ".join(lines) == words
    assert len(lines) > 2
    assert all(width(line, 13) <= 120 for line in lines)
    assert wrapped_lines("", 13, 50) == []
