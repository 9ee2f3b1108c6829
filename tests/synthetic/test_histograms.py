from xml.etree import ElementTree

import numpy as np
import pytest

from cmrseg.synthetic import histograms
from cmrseg.synthetic.histograms import EDGES, Comparison, averaged, overlap, percentiles
from cmrseg.synthetic.patient import Patient


def box(low: float, high: float) -> np.ndarray:
    """A uniform density."""
    middles = (EDGES[1:] + EDGES[:-1]) / 2
    inside = ((middles > low) & (middles < high)).astype(float)
    return inside / (inside.sum() * (EDGES[1] - EDGES[0]))


def test_densities_of_a_patient_have_area_one(cine: Patient, late: Patient) -> None:
    for patient, role, count in ((cine, "SA_ED", 4), (late, "LGE", 3)):
        found = histograms.densities(patient.images[role], patient.labels[role], late=role == "LGE")
        assert len(found) >= count
        for density in found.values():
            assert density.sum() * (EDGES[1] - EDGES[0]) == pytest.approx(1)
    blood = histograms.densities(cine.images["SA_ED"], cine.labels["SA_ED"])["LV blood"]
    assert percentiles(blood)[2] == pytest.approx(1, abs=0.05)


def test_overlap_of_known_curves() -> None:
    assert overlap(box(0, 1), box(0, 1)) == pytest.approx(1)
    assert overlap(box(0, 1), box(0.5, 1.5)) == pytest.approx(0.5)
    assert overlap(box(0, 0.5), box(1, 1.5)) == 0


def test_patients_count_alike_and_only_where_they_have_the_tissue() -> None:
    mean = averaged([{"a": box(0, 1)}, {"a": box(1, 2), "b": box(0, 1)}])
    assert mean["a"] == pytest.approx((box(0, 1) + box(1, 2)) / 2)
    assert mean["b"] == pytest.approx(box(0, 1))


def test_table_and_figure() -> None:
    one = Comparison(title="T", real={"blood": box(0, 1)}, synthetic={"blood": box(0.5, 1.5)})
    rows = histograms.table(one)
    assert rows[2] == "| blood | real | 0.05 | 0.25 | 0.50 | 0.75 | 0.95 |  |"
    assert rows[3] == "| blood | synthetic | 0.55 | 0.75 | 1.00 | 1.25 | 1.45 | 0.50 |"
    figure = ElementTree.fromstring(histograms.svg([one]))
    texts = ["".join(text.itertext()) for text in figure.iter("{http://www.w3.org/2000/svg}text")]
    assert "blood" in texts
    assert "T" in texts
