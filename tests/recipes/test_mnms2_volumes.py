"""LV mass, stroke volume, and measures by body surface area."""

import pytest

from cmrseg.cases.subjects import Subject, code, read_subjects
from cmrseg.recipes.mnms2_volumes import by_body_size, mass_and_stroke
from cmrseg.runtime.errors import InputError

FOUND = {
    "SA_ED": {"volume_ml": {"LV": 150.0, "MYO": 100.0, "RV": 160.0}},
    "SA_ES": {"volume_ml": {"LV": 60.0, "MYO": 110.0, "RV": 80.0}},
    "ejection_fraction_percent": {"LV": 60.0, "RV": 50.0},
}


def test_mass_and_stroke_volume():
    told = mass_and_stroke(FOUND)
    assert told == {"mass_g": {"LV": 105.0}, "stroke_volume_ml": {"LV": 90.0, "RV": 80.0}}
    assert mass_and_stroke({"SA_ED": FOUND["SA_ED"]}) == {"mass_g": {"LV": 105.0}}
    assert mass_and_stroke({"SA_ES": FOUND["SA_ES"]}) == {}


def test_by_body_surface_area():
    found = FOUND | mass_and_stroke(FOUND)
    told = by_body_size(found, Subject(height_cm=180, weight_kg=80, sex="male"))
    assert told["bsa_m2"] == 2.0
    assert told["indexed"]["SA_ED"]["LV"] == 75.0
    assert told["indexed"]["mass_g_per_m2"] == {"LV": 52.5}
    assert told["indexed"]["stroke_volume_ml_per_m2"] == {"LV": 45.0, "RV": 40.0}
    assert told["reference"]["ejection_fraction_percent"]["position"] == "within"
    low = by_body_size(found | {"ejection_fraction_percent": {"LV": 40.0}}, Subject(sex="female"))
    assert set(low) == {"reference"}
    assert low["reference"]["ejection_fraction_percent"]["position"] == "below"
    assert by_body_size(found, Subject(height_cm=180)) == {}


def test_the_table(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("SUBJECT_CODE,HEIGHT,WEIGHT,SEX\n1,184,95,M\nA1,unknown,88,\nB2,,,\n")
    found = read_subjects(table)
    assert found == {"1": Subject(184, 95, "male"), "A1": Subject(None, 88)}
    assert code("001") == "1"
    for text in ("a,b\n1,2\n", "case,height\n1,1.84\n", ""):
        table.write_text(text)
        with pytest.raises(InputError):
            read_subjects(table)
    with pytest.raises(InputError):
        read_subjects(tmp_path / "none.csv")
