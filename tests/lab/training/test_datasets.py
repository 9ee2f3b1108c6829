"""The challenges' folders: which labels belong to which image."""

import pytest

from cmrseg.runtime.errors import InputError
from cmrseg_lab.training import datasets


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize("inside", ["", "emidec-dataset-1.0.1"])
def test_emidec(tmp_path, inside):
    root = tmp_path / inside
    for case in ("Case_P002", "Case_N001", "Case_P003"):
        touch(root, f"{case}/Images/{case}.nii.gz")
    for case in ("Case_P002", "Case_N001"):
        touch(root, f"{case}/Contours/{case}.nii.gz")
    found = datasets.emidec(tmp_path)
    assert [(i.patient, i.role, i.group) for i in found] == [
        ("Case_N001", "LGE", "N"),
        ("Case_P002", "LGE", "P"),
    ]
    assert found[0].label == root / "Case_N001/Contours/Case_N001.nii.gz"
    assert found[0].image == root / "Case_N001/Images/Case_N001.nii.gz"


@pytest.mark.parametrize("inside", ["", "dataset"])
def test_mnms2(tmp_path, inside):
    root = tmp_path / inside
    for name in ("001_SA_ED", "001_SA_ES", "001_LA_ED", "012_SA_ED"):
        touch(root, f"{name[:3]}/{name}.nii.gz", f"{name[:3]}/{name}_gt.nii.gz")
    touch(root, "001/001_SA_CINE.nii.gz", "013/013_SA_ED.nii.gz")
    (tmp_path / "dataset_information.csv").write_text("SUBJECT_CODE,DISEASE\n1,HCM\n2,NOR\n")
    found = datasets.mnms2(tmp_path, "SA")
    assert [(i.patient, i.role, i.group) for i in found] == [
        ("001", "SA_ED", "HCM"),
        ("001", "SA_ES", "HCM"),
        ("012", "SA_ED", "unknown"),
    ]
    assert found[1].label == root / "001/001_SA_ES_gt.nii.gz"
    assert [i.role for i in datasets.mnms2(tmp_path, "LA")] == ["LA_ED"]


def test_a_folder_without_labels_is_told(tmp_path):
    touch(tmp_path, "001/001_SA_ED.nii.gz", "Case_P001/Images/Case_P001.nii.gz")
    with pytest.raises(InputError, match="no labelled images"):
        datasets.mnms2(tmp_path, "SA")
    with pytest.raises(InputError, match="no labelled images"):
        datasets.emidec(tmp_path)
