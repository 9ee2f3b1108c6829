"""Small labelled hearts and submissions of them."""

import json
from pathlib import Path

import numpy as np

from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.imaging.write import write

SPACING_MM = (10.0, 1.4, 1.4)
ROLES = ("SA_ED", "SA_ES", "LA_ED", "LA_ES")


def save(path: Path, array: np.ndarray, spacing_mm=SPACING_MM) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(Volume(array, Geometry(array.shape, spacing_mm)), path)
    return path


def lge(shift: int = 0) -> np.ndarray:
    """Myocardium of 4 x 6 pixels in 3 slices, a sixth of it infarct, moved along y."""
    array = np.zeros((3, 14, 16), np.uint8)
    array[:, 3:7, 4:10] = 2
    array[:, 3:7, 9] = 3
    return np.roll(array, shift, axis=1)


def cine(role: str, shift: int = 0, labels=(1, 2, 3)) -> np.ndarray:
    """RV and LV of 4 x 4 pixels, moved along y; 3 slices in the short axis, 1 in the long."""
    array = np.zeros((3 if role.startswith("SA") else 1, 14, 16), np.uint8)
    array[:, 3:7, 1:5] = 3
    array[:, 3:7, 8:12] = 1
    array[:, 3:7, 12] = 2
    return np.roll(np.where(np.isin(array, labels), array, 0).astype(np.uint8), shift, axis=1)


def emidec_truth(folder: Path, cases=("Case_N001", "Case_P001")) -> Path:
    for case in cases:
        save(folder / case / "Contours" / f"{case}.nii.gz", lge())
    return folder


def mnms2_truth(folder: Path, cases=("001", "002")) -> Path:
    for case in cases:
        for role in ROLES:
            save(folder / case / f"{case}_{role}_gt.nii.gz", cine(role))
    return folder


def job(folder: Path, pk: str, images: dict[str, tuple[str, str, np.ndarray]], kind="socket"):
    """What predictions.json says of a job, after writing its masks.

    Its images: input slug -> (uploaded name, output slug, mask or None).
    """
    outputs = []
    for _, slug, mask in images.values():
        if mask is not None:
            save(folder / pk / "output" / "images" / slug / f"{pk}-{slug}.mha", mask)
        told = {"slug": slug, "relative_path": f"images/{slug}", "is_image_kind": True}
        outputs.append({"image": {"name": "output"}, kind: told, "value": None})
    inputs = [
        {"image": {"name": name}, kind: {"slug": slug, "relative_path": f"images/{slug}"}}
        for slug, (name, _, _) in images.items()
    ]
    results = {"image": None, kind: {"slug": "results", "relative_path": "results.json"}}
    return {"pk": pk, "status": "Succeeded", "inputs": inputs, "outputs": [*outputs, results]}


def listing(folder: Path, jobs: list[dict]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictions.json").write_text(json.dumps(jobs))
    return folder


LGE_IN, LGE_OUT = "delayed-enhancement-mri", "delayed-enhancement-segmentation"


def emidec_job(folder: Path, pk: str, name: str, mask, **more) -> dict:
    return job(folder, pk, {LGE_IN: (name, LGE_OUT, mask)}, **more)


def mnms2_job(folder: Path, pk: str, case: str, shift=0, roles=ROLES, labels=(1, 2, 3)) -> dict:
    images = {}
    for role in roles:
        slug = role.lower().replace("_", "-")
        mask = cine(role, shift, labels)
        images[f"{slug}-cine-mri"] = (f"{case}_{role}.nii.gz", f"{slug}-segmentation", mask)
    return job(folder, pk, images)
