import csv
from pathlib import Path

import numpy as np
import pytest

from cmrseg.imaging.read import read
from cmrseg.runtime.errors import OutputError
from cmrseg_lab.synthetic import layouts
from cmrseg_lab.synthetic.patient import SyntheticPatient


def test_mnms2_reads_back(cine: SyntheticPatient, tmp_path: Path) -> None:
    layouts.write_mnms2(cine, "007", tmp_path)
    names = sorted(path.name for path in (tmp_path / "dataset" / "007").iterdir())
    roles = ("LA_ED", "LA_ES", "SA_ED", "SA_ES")
    assert names == sorted(f"007_{r}{gt}.nii.gz" for r in roles for gt in ("", "_gt"))
    for role in roles:
        image = read(tmp_path / "dataset" / "007" / f"007_{role}.nii.gz")
        label = read(tmp_path / "dataset" / "007" / f"007_{role}_gt.nii.gz")
        assert np.array_equal(image.array, cine.images[role].array)
        assert np.array_equal(label.array, cine.labels[role].array)
        assert image.geometry.same_as(cine.images[role].geometry, 1e-2)


def test_mnms2_table(cine: SyntheticPatient, tmp_path: Path) -> None:
    layouts.write_mnms2_table([("007", dict(cine.facts))], tmp_path)
    with (tmp_path / "dataset_information.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {
            "SUBJECT_CODE": "7",
            "DISEASE": "NOR",
            "VENDOR": "SIEMENS",
            "SCANNER": "Aera",
            "FIELD": "1.5",
        }
    ]


def test_emidec_reads_back_with_its_clinical_fields(late: SyntheticPatient, tmp_path: Path) -> None:
    layouts.write_emidec(late, "Case_P011", tmp_path)
    root = tmp_path / "emidec-dataset-1.0.1"
    image = read(root / "Case_P011" / "Images" / "Case_P011.nii.gz")
    label = read(root / "Case_P011" / "Contours" / "Case_P011.nii.gz")
    assert np.array_equal(image.array, late.images["LGE"].array)
    assert np.array_equal(label.array, late.labels["LGE"].array)
    raw = (root / "Case P011.txt").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-8")
    lines = raw.decode("latin-1").splitlines()
    assert lines[0] == "Case P011"
    fields = [line for line in lines[1:] if ":" in line]
    assert len(fields) == 13
    assert fields[0].endswith(f"{image.spacing_mm[0]:g} mm")


def test_a_folder_that_cannot_be_made_is_an_output_error(
    late: SyntheticPatient, tmp_path: Path
) -> None:
    (tmp_path / "emidec-dataset-1.0.1").write_text("a file in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        layouts.write_emidec(late, "Case_P001", tmp_path)
