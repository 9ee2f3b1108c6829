import pytest

from cmrseg_lab.studies.bench import hearts
from cmrseg_lab.studies.bench.table import text


def test_patients_a_second_are_the_inverse_of_seconds_a_patient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([10.0, 11.5, 12.0, 20.0, 20.25, 21.0])
    drawn: list[tuple[str, int]] = []
    written: list[str] = []
    monkeypatch.setattr(hearts, "draw_patient", lambda *which: drawn.append(which))
    monkeypatch.setattr(hearts, "write_mnms2", lambda _, case, __: written.append(case))
    monkeypatch.setattr(hearts.time, "process_time", lambda: next(clock))
    seconds, drawing, rate = hearts.rows(2)
    assert seconds.value.values == (2 / hearts.PATIENTS, 1 / hearts.PATIENTS)
    assert drawing.value.values == (1.5 / hearts.PATIENTS, 0.25 / hearts.PATIENTS)
    assert rate.value.values == (hearts.PATIENTS / 2, hearts.PATIENTS / 1)
    assert len(set(drawn)) == 1 + 2 * hearts.PATIENTS
    assert len(written) == 1 + 2 * hearts.PATIENTS
    assert seconds.met
    assert "synthetic patients a second and core" in text([seconds, drawing, rate])


def test_a_real_patient_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearts, "PATIENTS", 1)
    seconds, drawing, _ = hearts.rows(1)
    assert 0 < drawing.value.median < seconds.value.median < 60
