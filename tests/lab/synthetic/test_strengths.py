import pytest

from cmrseg.runtime.errors import UsageError
from cmrseg_lab.synthetic.strengths import parse


def test_parse() -> None:
    assert parse(None, "mnms2") == {}
    assert parse("ghosting=0.25, noise=1", "mnms2") == {"ghosting": 0.25, "noise": 1.0}
    assert 0 < parse("wrap", "mnms2")["wrap"] < 1
    assert parse("inversion=0.5", "emidec") == {"inversion": 0.5}
    assert parse("motion = 0.5,", "emidec") == {"motion": 0.5}


@pytest.mark.parametrize("text", ["spikes", "noise=2", "noise=much", "noise=-0.1", "noise=nan"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text, "mnms2")


def test_cine_has_no_inversion_time_and_is_offered_none() -> None:
    with pytest.raises(UsageError) as refused:
        parse("inversion", "mnms2")
    assert "inversion" not in refused.value.remedy
    assert "ghosting" in refused.value.remedy
