import pytest

from cmrseg.cases.names import told_by


@pytest.mark.parametrize(
    ("stem", "view", "phase", "others"),
    [
        ("p7_SA_ED", "SA", "ED", ("p7",)),
        ("p7-la-es", "LA", "ES", ("p7",)),
        ("p7 SAX end systole", "SA", "ES", ("p7",)),
        ("short axis_p7_End-Diastolic", "SA", "ED", ("p7",)),
        ("p7_4CH_ES", "LA", "ES", ("p7",)),
        ("p7_lax_enddiastole", "LA", "ED", ("p7",)),
        ("p7_LA_4CH_ED", "LA", "ED", ("p7",)),
        ("p7_4_chamber_ED", "LA", "ED", ("p7",)),
        ("p7_LA4CH_ES", "LA", "ES", ("p7",)),
        ("long-axis-es", "LA", "ES", ()),
        ("Perez de la Cruz", None, None, ("Perez", "de", "la", "Cruz")),
        ("PEREZ_DE_LA_CRUZ_SA_ED", "SA", "ED", ("PEREZ", "DE", "LA", "CRUZ")),
        ("Ed_Smith", None, None, ("Ed", "Smith")),
        ("x_LA", "LA", None, ("x",)),
        ("SA_LA_ED", None, "ED", ()),
        ("LAED_x", None, None, ("LAED", "x")),
        ("", None, None, ()),
    ],
)
def test_view_and_phase(stem, view, phase, others):
    told = told_by(stem)
    assert (told.view, told.phase, told.others) == (view, phase, others)
