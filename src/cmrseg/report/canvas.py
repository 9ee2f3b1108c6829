"""What pictures are drawn with: a font, signs that need no colour to be told apart, PNG files.

Pillow alone, which inference images carry; its own font knows Latin letters, so whatever else a
name holds is written as an escape.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from cmrseg.imaging.volume import Array

Colour = str | tuple[int, int, int]
WHITE, BLACK, GREY = "#ffffff", "#1b1b1f", "#5f6368"
THUMBNAIL, VIEWER = "cmrseg-thumbnail", "cmrseg-viewer"
"""The PNG's text chunks in which a small JPEG of the case stands, as base64, and what the page has
to know to leaf through its slices, as JSON."""
COMPRESSION = 3
"""Of zlib, 0 to 9: beyond this a picture takes twice as long and saves a twentieth."""

WITHIN, WITHIN_QUALITY = 1000, 45
"""Width in pixels, and quality (0 to 100), of a case's sheet within a page: for printing."""

Sign = Literal["cross", "triangle", "diamond", "half", "mark", "tick", "ring"]


@lru_cache(maxsize=16)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font at a size in pixels."""
    return ImageFont.load_default(size)


def drawable_text(text: str) -> str:
    """Text as the font can draw it: Latin-1, anything else escaped; it has no raised digits."""
    known = text.replace("\N{SUPERSCRIPT TWO}", "2")
    return known.encode("latin-1", "backslashreplace").decode("latin-1")


class Canvas:
    """A white picture to draw on; positions in pixels from the top left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), WHITE)
        self._draw = ImageDraw.Draw(self.image)

    def paste(self, pixels: Array, x: int, y: int) -> None:
        """Put an (rows, columns, 3) uint8 array with its top left corner at (x, y)."""
        self.image.paste(Image.fromarray(np.ascontiguousarray(pixels)), (x, y))

    def text(
        self, x: float, y: float, words: str, *, size: int = 13, colour: Colour = BLACK
    ) -> float:
        """Write one line, its top left at (x, y); returns where it ends."""
        self._draw.text((x, y), drawable_text(words), fill=colour, font=font(size))
        return x + width(words, size)

    def centred(
        self, x: float, y: float, words: str, *, size: int = 13, colour: Colour = BLACK
    ) -> None:
        """Write one line with its middle at (x, y)."""
        self._draw.text((x, y), drawable_text(words), fill=colour, font=font(size), anchor="mm")

    def label(self, x: float, y: float, words: str, *, size: int = 12) -> None:
        """White words on a black ground, to be read on any image."""
        wide = width(words, size)
        self._draw.rectangle((x, y, x + wide + 5, y + size + 3), fill=BLACK)
        self._draw.text((x + 3, y + 1), drawable_text(words), fill=WHITE, font=font(size))

    def line(self, points: list[tuple[float, float]], colour: Colour, wide: int = 1) -> None:
        """A line through points."""
        self._draw.line(points, fill=colour, width=wide, joint="curve")

    def polygon(
        self,
        points: list[tuple[float, float]],
        fill: Colour | None,
        outline: Colour | None = None,
        wide: int = 1,
    ) -> None:
        """A closed shape."""
        self._draw.polygon(points, fill=fill, outline=outline, width=wide)

    def box(self, x: float, y: float, wide: float, high: float, fill: Colour) -> None:
        """A filled rectangle."""
        self._draw.rectangle((x, y, x + wide, y + high), fill=fill)

    def sign(self, kind: Sign, x: float, y: float, size: int, colour: Colour) -> None:
        """A sign in a square of ``size`` pixels with its top left at (x, y)."""
        s, draw = size, self._draw
        wide = max(2, s // 7)
        square = (x + 1, y + 1, x + s - 2, y + s - 2)
        if kind == "cross":
            draw.line((x + 2, y + 2, x + s - 3, y + s - 3), fill=colour, width=wide)
            draw.line((x + 2, y + s - 3, x + s - 3, y + 2), fill=colour, width=wide)
        elif kind == "triangle":
            draw.polygon(((x + s / 2, y), (x + s - 1, y + s - 1), (x, y + s - 1)), fill=colour)
        elif kind == "diamond":
            middle = s / 2
            draw.polygon(
                (
                    (x + middle, y),
                    (x + s - 1, y + middle),
                    (x + middle, y + s - 1),
                    (x, y + middle),
                ),
                fill=colour,
            )
        elif kind == "half":
            draw.ellipse(square, outline=colour, width=wide)
            draw.pieslice(square, 90, 270, fill=colour)
        elif kind == "mark":
            draw.line((x + s / 2, y + 1, x + s / 2, y + s * 0.65), fill=colour, width=wide + 1)
            draw.rectangle((x + s / 2 - wide / 2, y + s * 0.8, x + s / 2 + wide / 2, y + s), colour)
        elif kind == "tick":
            points = ((x + 1, y + s * 0.55), (x + s * 0.38, y + s - 3), (x + s - 2, y + s * 0.15))
            draw.line(points, fill=colour, width=wide, joint="curve")
        else:
            draw.ellipse(square, outline=colour, width=wide)

    def png(self, thumbnail: bytes | None = None, viewer: str = "") -> bytes:
        """The picture as a PNG without a date: the same case gives the same bytes.

        Args:
            thumbnail: a small JPEG to carry along, which :func:`carried` finds again.
            viewer: JSON to carry along likewise.
        """
        about = PngInfo()
        if thumbnail:
            about.add_text(THUMBNAIL, base64.b64encode(thumbnail).decode())
        if viewer:
            about.add_itxt(VIEWER, viewer)
        file = io.BytesIO()
        self.image.save(file, "PNG", compress_level=COMPRESSION, pnginfo=about)
        return file.getvalue()


def width(words: str, size: int) -> float:
    """How many pixels wide a line is."""
    return float(font(size).getlength(drawable_text(words)))


def wrapped_lines(words: str, size: int, room: float) -> list[str]:
    """Words in lines no wider than ``room`` pixels, where words allow it."""
    lines: list[str] = []
    for word in words.split():
        if lines and width(f"{lines[-1]} {word}", size) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def small_jpeg(pixels: Array, side: int) -> bytes:
    """An (rows, columns, 3) uint8 array as a JPEG at most ``side`` pixels wide and high."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=72)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Carried:
    """What a picture's head tells.

    Attributes:
        size: width and height in pixels.
        thumbnail: a JPEG in base64; None without.
        viewer: JSON; empty without.
    """

    size: tuple[int, int]
    thumbnail: str | None = None
    viewer: str = ""


def carried(picture: Path) -> Carried | None:
    """What a picture carries; None if it is no picture. Only the head of the file is read."""
    if picture.is_symlink() or not picture.is_file():
        return None
    try:
        with Image.open(picture) as image:
            found = {name: image.info.get(name) for name in (THUMBNAIL, VIEWER)}
            size = image.size
    except (OSError, ValueError):
        return None
    small, viewer = (found[n] if isinstance(found[n], str) else None for n in (THUMBNAIL, VIEWER))
    return Carried(size, small and str(small), str(viewer or ""))


def data_uri(picture: Path) -> str:
    """A picture as an address that holds it."""
    kind = "png" if picture.suffix == ".png" else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(picture.read_bytes()).decode()}"


def small_uri(picture: Path) -> str:
    """The same, of a picture made smaller by loss of what nobody sees."""
    file = io.BytesIO()
    with Image.open(picture) as image:
        image.thumbnail((WITHIN, 10 * WITHIN), Image.Resampling.BOX)
        image.save(file, "WEBP", quality=WITHIN_QUALITY, method=2)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
