"""nnU-Net's raw data and BIDS: which images are whose, and where masks go."""

import json
from pathlib import Path, PurePath

import pytest

from cmrseg.cases.detect import open_contract
from cmrseg.cases.names import bare, case_and_role, is_mask, masks_of
from cmrseg.evaluation.pairs import find_pairs
from cmrseg.runtime.errors import InputError, UsageError


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")


def masks(contract):
    """Case -> role -> where its mask goes."""
    return {
        case.id: {role: str(contract.mask_path(case, role)) for role in case.images}
        for case in contract.cases()
    }


@pytest.mark.parametrize("inside", ["", "imagesTs"])
def test_nnunet(inside, tmp_path):
    touch(tmp_path, "in/imagesTs/p1_SA_ED_0000.nii.gz", "in/imagesTs/p1_SA_ES_0000.nii.gz")
    touch(tmp_path, "in/imagesTs/p1_SA_ED_0001.nii.gz", "in/dataset.json")
    contract = open_contract("mnms2", tmp_path / "in" / inside, tmp_path / "out")
    assert contract.name == "nnunet"
    assert masks(contract) == {"p1": {r: f"p1_{r}.nii.gz" for r in ("SA_ED", "SA_ES")}}
    (left,) = contract.passed_over
    assert PurePath(left.name).name == "p1_SA_ED_0001.nii.gz"
    (piece,) = contract.companions()
    told = json.loads(piece.content)
    assert told["labels"] == {"background": 0, "LV": 1, "MYO": 2, "RV": 3}
    assert told["file_ending"] == ".nii.gz"


def test_numbered_slices_are_not_nnunets(tmp_path):
    touch(tmp_path, "in/IM_0000.nii.gz", "in/IM_0001.nii.gz")
    assert open_contract("emidec", tmp_path / "in", tmp_path / "out").name == "folder"
    touch(tmp_path, "other/x_0000.mha", "other/y_0000.mha")
    contract = open_contract("emidec", tmp_path / "other", tmp_path / "out")
    assert masks(contract) == {n: {"LGE": f"{n}.mha"} for n in ("x", "y")}


def test_bids(tmp_path):
    names = [f"sub-01/anat/sub-01_acq-SAX_phase-{p}_cine.nii.gz" for p in ("ED", "ES")]
    touch(tmp_path / "in", *names, "sub-02/ses-1/anat/sub-02_ses-1_acq-late_psir.nii.gz")
    touch(tmp_path / "in", "sub-03/notes.txt", "dataset_description.json")
    contract = open_contract("mnms2", tmp_path / "in", tmp_path / "out")
    assert contract.name == "bids"
    assert masks(contract)["sub-01"] == {
        f"SA_{p}": f"sub-01/anat/sub-01_acq-SAX_phase-{p}_desc-cine_dseg.nii.gz"
        for p in ("ED", "ES")
    }
    contract = open_contract("emidec", tmp_path / "in", tmp_path / "out")
    (case,) = contract.cases()
    path = contract.map_path(case, "LGE", "entropy")
    assert path.parent == Path("sub-02/ses-1/anat")
    assert path.name == "sub-02_ses-1_acq-late_desc-psir_entropy.nii.gz"
    made = {piece.path.name: piece.content for piece in contract.companions()}
    assert json.loads(made["dataset_description.json"])["DatasetType"] == "derivative"
    assert "3\tinfarction\n" in made["dseg.tsv"]


SAME = ("p7_SA_ED", "p7_SA_ED_seg", "p7_SA_ED_pred", "p7_SA_ED_gt", "p7_SA_ED_0000")
BIDS = ("_phase-ED_cine", "_phase-ED_desc-cine_dseg", "_phase-ED_dseg")


@pytest.mark.parametrize("stem", [*SAME, *(f"sub-p7_acq-SAX{one}" for one in BIDS)])
def test_names_of_one_image(stem):
    case, role = case_and_role("mnms2", bare(stem))
    assert case in ("p7", "sub-p7")
    assert role == "SA_ED"
    assert is_mask(stem) == stem.endswith(("seg", "pred", "gt"))
    assert bare(stem) in set(masks_of(stem))


def test_any_names_are_paired(tmp_path):
    touch(tmp_path, "truth/p1_SA_ED_gt.nii.gz", "truth/p1_SA_ED.nii.gz", "truth/p2_SA_ED_gt.nii.gz")
    touch(tmp_path, "masks/p1_SA_ED.nii.gz", "masks/uncertainty/p1_SA_ED_entropy.nii.gz")
    found = find_pairs("mnms2", tmp_path / "masks", tmp_path / "truth")
    assert {c: set(roles) for c, roles in found.found.items()} == {"p1": {"SA_ED"}}
    assert found.found["p1"]["SA_ED"][1].name == "p1_SA_ED_gt.nii.gz"
    assert found.missing == ("p2",)
    with pytest.raises(UsageError):
        find_pairs("mnms2", tmp_path / "truth", tmp_path / "truth")
    touch(tmp_path, "masks/p1_SA_ED.mha")
    with pytest.raises(InputError):
        find_pairs("mnms2", tmp_path / "masks", tmp_path / "truth")
