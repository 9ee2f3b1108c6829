"""What a model card must say of each data set."""

from cmrseg_lab.training.sources import SOURCES, is_made, is_synthetic, patients_of, source


def test_known_sources_are_told_with_licence_and_citation():
    assert "NC" in source("acdc").licence
    assert "NC" in source("emidec").licence
    assert all(s.title and s.licence and s.cite for s in SOURCES.values())


def test_a_users_own_source_keeps_its_name():
    assert source("ward 7").title == "ward 7"
    assert "owner" in source("ward 7").licence


def test_every_set_of_drawn_hearts_is_told_as_synthetic():
    assert source("synthetic-la") == source("synthetic") == SOURCES["synthetic"]
    assert is_synthetic("synthetic-la")
    assert not is_synthetic("acdc")


def test_images_made_of_patients_images_are_those_patients():
    assert patients_of("acdc-implanted") == patients_of("acdc-reformatted") == "acdc"
    assert patients_of("synthetic-la") is None
    assert is_made("acdc-implanted")
    assert not is_made("acdc")
