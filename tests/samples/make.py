"""Draws the committed sample cases: `python tests/samples/make.py` (see `make samples`).

Synthetic hearts in both challenges' layouts, free of any licence: one in the style that networks
learned from, one in a held-out style. Images are cropped around the heart to keep them small.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.synthetic.layouts import write_emidec, write_mnms2, write_mnms2_table
from cmrseg.synthetic.patient import Patient, draw_patient

HERE = Path(__file__).parent
FIELD_MM = 210.0
"""In-plane field of view that is kept."""

SEED = {"emidec": 3, "mnms2": 9}
EMIDEC = (("Case_P001", "P", "psir-1.5t"), ("Case_P002", "P", "magnitude"))
MNMS2 = (("001", "NOR", "siemens-1.5t"), ("002", "FALL", "ge-1.5t"))


def main() -> None:
    """Replace the sample cases."""
    for challenge in SEED:
        shutil.rmtree(HERE / challenge, ignore_errors=True)
    for number, (case, group, style) in enumerate(EMIDEC):
        patient = draw_patient("emidec", SEED["emidec"] + number, group=group, style=style)
        write_emidec(_cropped(patient), case, HERE / "emidec")
    rows = []
    for number, (case, group, style) in enumerate(MNMS2):
        patient = draw_patient("mnms2", SEED["mnms2"] + number, group=group, style=style)
        write_mnms2(_cropped(patient), case, HERE / "mnms2")
        rows.append((case, patient.facts))
    write_mnms2_table(rows, HERE / "mnms2")


def _cropped(patient: Patient) -> Patient:
    """All images cut to one field of view around the heart."""
    windows = {role: _window(label) for role, label in patient.labels.items()}
    return replace(
        patient,
        images={role: _cut(image, windows[role]) for role, image in patient.images.items()},
        labels={role: _cut(label, windows[role]) for role, label in patient.labels.items()},
    )


def _window(label: Volume) -> tuple[slice, slice]:
    inside = np.argwhere(label.array.any(axis=0))
    centre = (inside.min(axis=0) + inside.max(axis=0)) // 2
    spans = []
    for middle, spacing, count in zip(
        centre, label.spacing_mm[1:], label.array.shape[1:], strict=True
    ):
        wanted = min(count, round(FIELD_MM / spacing))
        start = int(np.clip(middle - wanted // 2, 0, count - wanted))
        spans.append(slice(start, start + wanted))
    return spans[0], spans[1]


def _cut(volume: Volume, window: tuple[slice, slice]) -> Volume:
    array = np.ascontiguousarray(volume.array[(slice(None), *window)])
    corner = np.array([[0], [window[0].start], [window[1].start]])
    origin = volume.geometry.to_patient(corner)[:, 0]
    geometry = Geometry(
        shape=array.shape,
        spacing_mm=volume.spacing_mm,
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=volume.geometry.direction,
    )
    return replace(volume, array=array, geometry=geometry)


if __name__ == "__main__":
    main()
