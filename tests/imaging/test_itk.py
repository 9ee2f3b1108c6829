"""TIFF files made by hand, so that each tag is known to be there or not."""

import struct
from pathlib import Path

import numpy as np
import pytest

from cmrseg.imaging import read
from cmrseg.runtime.errors import InputError

PER_CM, PER_INCH = 3, 2


def tiff(
    pages: list[np.ndarray], per: tuple[int, int, int] | None = None, *, big: bool = False
) -> bytes:
    """A little-endian TIFF (or BigTIFF) of uint16 pages.

    Args:
        pages: (y, x) each.
        per: columns and rows per unit, and the unit; None leaves the tags out.
        big: as BigTIFF.
    """
    word, count_form, size = ("<Q", "<Q", 8) if big else ("<I", "<H", 4)
    out = bytearray(
        struct.pack("<2sHHH", b"II", 43, 8, 0) if big else struct.pack("<2sH", b"II", 42)
    )
    link = len(out)  # where the offset of the next directory goes
    out += bytes(size)
    for page in pages:
        data = len(out)
        out += page.astype("<u2").tobytes()
        ratios = len(out)
        entries = [(256, 4, page.shape[1]), (257, 4, page.shape[0]), (258, 3, 16), (259, 3, 1)]
        entries += [(262, 3, 1), (273, 4, data), (277, 3, 1), (278, 4, page.shape[0])]
        entries += [(279, 4, page.nbytes)]
        if per:
            out += struct.pack("<4I", per[0], 1, per[1], 1)
            where = (per[0] | 1 << 32, per[1] | 1 << 32) if big else (ratios, ratios + 8)
            entries += [(282, 5, where[0]), (283, 5, where[1]), (296, 3, per[2])]
        out[link : link + size] = struct.pack(word, len(out))
        out += struct.pack(count_form, len(entries))
        for tag, kind, value in entries:
            out += struct.pack("<HH", tag, kind) + struct.pack(word, 1) + struct.pack(word, value)
        link = len(out)
        out += bytes(size)
    return bytes(out)


@pytest.fixture
def pages() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 999, (20, 30)).astype(np.uint16) for _ in range(3)]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("per", "mm"), [((8, 5, PER_CM), (2.0, 1.25)), ((20, 10, PER_INCH), (2.54, 1.27))]
)
def test_spacing_from_resolution_tags(
    tmp_path: Path,
    pages: list[np.ndarray],
    per: tuple[int, int, int],
    mm: tuple[float, float],
    big: bool,
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(pages[:1], per, big=big))
    volume = read(path)
    np.testing.assert_array_equal(volume.array[0], pages[0])
    np.testing.assert_allclose(volume.spacing_mm, (1.0, *mm), rtol=1e-6)
    (warning,) = volume.warnings
    assert "slice spacing" in warning


def test_pages_are_slices(tmp_path: Path, pages: list[np.ndarray]) -> None:
    (tmp_path / "a.tiff").write_bytes(tiff(pages, (8, 8, PER_CM)))
    np.testing.assert_array_equal(read(tmp_path / "a.tiff").array, np.stack(pages))


def test_no_resolution_tags(tmp_path: Path, pages: list[np.ndarray]) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(pages))
    volume = read(tmp_path / "a.tif")
    assert volume.spacing_mm == (1.0, 1.0, 1.0)
    assert "pixel size" in volume.warnings[0]


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.8, 0.97])
def test_truncated_pages_are_missed(tmp_path: Path, pages: list[np.ndarray], kept: float) -> None:
    data = tiff(pages, (8, 8, PER_CM))
    (tmp_path / "a.tif").write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError, match="truncated"):
        read(tmp_path / "a.tif")
