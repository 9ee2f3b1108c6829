"""What errors read like."""

from cmrseg.runtime.errors import InputError


def test_a_problem_and_a_remedy_are_sentences():
    assert str(InputError("no case", "give one.")) == "no case. give one."
    assert str(InputError("no case", "are they swapped?")) == "no case. are they swapped?"
