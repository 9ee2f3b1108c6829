"""A run's columns: a number of every case, and a word where it is not to be trusted."""

import pytest

from cmrseg.report.columns import COLUMNS
from report.made import cine, enhanced, failed


@pytest.mark.parametrize(("challenge", "record"), [("emidec", enhanced("a")), ("mnms2", cine("a"))])
def test_every_column_finds_its_number_and_none_in_a_failed_case(challenge, record):
    values = [column.value(record) for column in COLUMNS[challenge]]
    assert all(isinstance(value, int | float) for value in values)
    assert all(column.value(failed("b")) is None for column in COLUMNS[challenge])
    for one in (record, failed("b")):
        assert {column.doubt(one) for column in COLUMNS[challenge]} == {""}


def test_numbers_of_a_flagged_image_are_doubted_by_name():
    """The worst image of ``cine`` is SA_ES."""
    doubts = {c.title: c.doubt(cine("a", pdc=0.3)) for c in COLUMNS["mnms2"]}
    assert {title: words for title, words in doubts.items() if words} == dict.fromkeys(
        ("LV EF", "RV EF", "LV, ES", "RV, ES"), "not to be trusted: quality control flagged SA_ES"
    )
