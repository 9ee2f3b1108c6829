"""Draws the committed sample cases: `python tests/samples/make.py` (see `make samples`).

Synthetic hearts in both challenges' layouts, free of any licence: one in the style that networks
learned from, one in a held-out style. To keep them small, images have 7 bits of grey values, and
those of M&Ms-2 are cropped around the heart. EMIDEC's keep their field of view: its grey values are
scaled by the whole image, and the committed networks fail on images cut tightly around the heart.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg_lab.synthetic.layouts import write_emidec, write_mnms2, write_mnms2_table
from cmrseg_lab.synthetic.patient import SyntheticPatient, draw_patient
from cmrseg_lab.synthetic.points import Window

HERE = Path(__file__).parent
FIELD_MM = {"emidec": 400.0, "mnms2": 176.0}
"""In-plane field of view that is kept."""

GREYS = 127
"""Greatest grey value; what is brighter than nearly all of the image is cut off."""

EMIDEC = (("Case_P001", 17, "P", "psir-1.5t"), ("Case_P002", 14, "P", "magnitude"))
MNMS2 = (("001", 9, "NOR", "siemens-1.5t"), ("002", 10, "FALL", "ge-1.5t"))
"""Case, seed, group and style."""


def main() -> None:
    """Replace the sample cases."""
    for challenge in FIELD_MM:
        shutil.rmtree(HERE / challenge, ignore_errors=True)
    for case, seed, group, style in EMIDEC:
        patient = draw_patient("emidec", seed, group=group, style=style)
        write_emidec(_cropped(patient, FIELD_MM["emidec"]), case, HERE / "emidec")
    rows = []
    for case, seed, group, style in MNMS2:
        patient = draw_patient("mnms2", seed, group=group, style=style)
        write_mnms2(_cropped(patient, FIELD_MM["mnms2"]), case, HERE / "mnms2")
        rows.append((case, patient.facts))
    write_mnms2_table(rows, HERE / "mnms2")


def _cropped(patient: SyntheticPatient, field_mm: float) -> SyntheticPatient:
    """All images cut around the heart, the phases of a view alike."""
    shown: dict[str, Array] = {}
    for role, label in patient.labels.items():
        view = role[:2]
        shown[view] = shown.get(view, np.zeros_like(label.array)) | label.array
    windows = {
        role: _window(shown[role[:2]], label.spacing_mm, field_mm)
        for role, label in patient.labels.items()
    }
    return replace(
        patient,
        images={role: _few_greys(_cut(i, windows[role])) for role, i in patient.images.items()},
        labels={role: _cut(label, windows[role]) for role, label in patient.labels.items()},
    )


def _window(shown: Array, spacing_mm: tuple[float, float, float], field_mm: float) -> Window:
    """One slice beyond the labels at either end, and the field of view around them."""
    inside = np.argwhere(shown)
    low, high = inside.min(axis=0), inside.max(axis=0)
    spans = [slice(max(int(low[0]) - 1, 0), int(high[0]) + 2)]
    for axis in (1, 2):
        wanted = min(shown.shape[axis], round(field_mm / spacing_mm[axis]))
        middle = int(low[axis] + high[axis]) // 2
        start = int(np.clip(middle - wanted // 2, 0, shown.shape[axis] - wanted))
        spans.append(slice(start, start + wanted))
    return spans[0], spans[1], spans[2]


def _cut(volume: Volume, window: Window) -> Volume:
    array = np.ascontiguousarray(volume.array[window])
    corner = np.array([[span.start] for span in window])
    origin = volume.geometry.to_patient(corner)[:, 0]
    geometry = Geometry(
        shape=array.shape,
        spacing_mm=volume.spacing_mm,
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=volume.geometry.direction,
    )
    return replace(volume, array=array, geometry=geometry)


def _few_greys(image: Volume) -> Volume:
    top = float(np.percentile(image.array, 99.7))
    grey = np.rint(np.clip(image.array / max(top, GREYS), 0, 1) * GREYS)
    return replace(image, array=grey.astype(np.int16))


if __name__ == "__main__":
    main()
