import pytest

from cmrseg_lab.synthetic.patient import SyntheticPatient, draw_patient


@pytest.fixture(scope="session")
def cine() -> SyntheticPatient:
    return draw_patient("mnms2", 5, group="NOR", style="siemens-1.5t")


@pytest.fixture(scope="session")
def late() -> SyntheticPatient:
    return draw_patient("emidec", 11, group="P", style="psir-1.5t")
