import numpy as np
import pytest

from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.synthetic.measures import measure_cine
from cmrseg.synthetic.pieces import measure_pieces


def drawn(*rows: str) -> Volume:
    """A slice a text, lines with spaces between; a digit is a code, a dot is background."""
    slices = [[[int(c.replace(".", "0")) for c in line] for line in row.split()] for row in rows]
    array = np.array(slices, np.uint8)
    return Volume(array, Geometry(shape=array.shape, spacing_mm=(10.0, 1.0, 1.0)))


def test_pieces_and_specks_are_shares_of_the_slices_that_show_the_structure() -> None:
    label = drawn(
        "111.33 111.33 ......",  # whole
        "33.333 ...... 111.33",  # RV: a speck of two pixels, a piece of three, another speck
        "333.1. ....1. 333.1.",  # RV in two pieces
        "...... ...... ......",  # shows nothing
    )
    found = measure_pieces(label, {"LV": (1,), "RV": (3,), "MYO": (2,)})
    assert found == {
        "LV in pieces": 0,
        "LV with specks": 0,
        "RV in pieces": pytest.approx(1 / 3),
        "RV with specks": pytest.approx(1 / 3),
    }


def test_pixels_that_share_a_corner_are_one_piece_and_codes_are_taken_together() -> None:
    assert measure_pieces(drawn("33.. 33.. ..33"), {"RV": (3,)})["RV with specks"] == 0
    apart = drawn("2233 .... 2244")
    assert measure_pieces(apart, {"MYO": (2, 3, 4)})["MYO in pieces"] == 1
    assert measure_pieces(apart, {"MYO": (2,)})["MYO in pieces"] == 0  # each a speck, none larger
    assert measure_pieces(apart, {"MYO": (2,)})["MYO with specks"] == 0


def test_the_tables_tell_it() -> None:
    array = np.zeros((1, 40, 40), np.uint8)
    array[:, 15:20, 10:13], array[:, 15:20, 15:20], array[:, 15:20, 22:25] = 3, 1, 3
    label = Volume(array, Geometry(shape=array.shape, spacing_mm=(10.0, 1.0, 1.0)))
    found = measure_cine(Volume(array + np.float32(1), label.geometry), label)
    assert (found["RV in pieces"], found["LV in pieces"]) == (1, 0)
