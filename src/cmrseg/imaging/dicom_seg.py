"""DICOM SEG: a mask as a segmentation object of the series that it was made of.

It takes over patient and study of the series, and refers to its images. Structures are coded in
SNOMED CT as pydicom's dictionary has them; no-reflow, which has no code there, in a scheme of our
own.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cmrseg import __version__
from cmrseg.imaging.dicom import slices_at
from cmrseg.imaging.volume import Volume
from cmrseg.runtime.errors import InputError, OutputError, UsageError

CODES = {
    "LV": "LeftVentricle",
    "cavity": "LeftVentricle",
    "MYO": "LeftVentricleMyocardium",
    "normal myocardium": "LeftVentricleMyocardium",
    "RV": "RightVentricle",
    "infarction": "MyocardialInfarction",
}
"""Structure -> its name among pydicom's SNOMED CT codes."""
OWN_SCHEME = "99CMRSEG"
"""Scheme of codes of our own."""


def check_available() -> None:
    """Refuse to start without the library that writes segmentation objects.

    Raises:
        UsageError: it is not installed.
    """
    if find_spec("highdicom") is None:
        raise UsageError(
            "--dicom-seg needs a library that is not installed", "pip install 'cmrseg[dicom-seg]'"
        )


def encode_seg(
    mask: Volume, names: Mapping[int, str], folder: Path, frame: int | None = None
) -> bytes:
    """The bytes of a DICOM SEG file, read back and compared with the mask.

    Args:
        mask: (z, y, x) labels on the voxels of the series.
        names: label, from 1 without a gap -> structure.
        folder: of the series' slices.
        frame: which frame of a cine.

    Raises:
        InputError: the series lacks what such an object has to tell (patient, study, frame of
            reference).
        OutputError: the object does not read back as the mask.
    """
    import pydicom

    try:
        made = _made(mask, names, folder, frame)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"no DICOM SEG can be made of this series ({error})",
            "export the original series, with patient, study and frame of reference",
        ) from error
    file = io.BytesIO()
    made.save_as(file)
    again: Any = pydicom.dcmread(io.BytesIO(file.getvalue()))
    found = np.zeros(max(names) + 1, int)
    numbers = [
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for group in again.PerFrameFunctionalGroupsSequence
    ]
    planes = again.pixel_array.reshape(-1, *mask.array.shape[1:])
    for number, plane in zip(numbers, planes, strict=True):
        found[number] += int(plane.sum())
    if any(found[label] != (mask.array == label).sum() for label in names):
        raise OutputError(
            "the DICOM SEG does not read back as the mask",
            "please report it as an internal error",
        )
    return file.getvalue()


def _made(mask: Volume, names: Mapping[int, str], folder: Path, frame: int | None) -> Any:
    import highdicom as hd
    import pydicom
    from pydicom.uid import generate_uid

    stack = slices_at(folder, frame)
    sources = [pydicom.dcmread(path) for path in dict.fromkeys(one.path for one in stack)]
    pixels: Any = mask.array.astype(np.uint8)
    if len(sources) < len(stack):  # many frames in a file: the object tells places of its own
        pixels = hd.Volume(pixels, _affine(mask), "PATIENT", sources[0].FrameOfReferenceUID)
    seed = [sources[0].SOPInstanceUID, mask.array.tobytes().hex()]
    return hd.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_described(label, name) for label, name in sorted(names.items())],
        series_instance_uid=generate_uid(entropy_srcs=["series", *seed]),
        series_number=900,
        sop_instance_uid=generate_uid(entropy_srcs=["instance", *seed]),
        instance_number=1,
        manufacturer="cmrseg",
        manufacturer_model_name="cmrseg",
        software_versions=__version__,
        device_serial_number="0",
        series_description="cmrseg, research only",
        omit_empty_frames=bool(mask.array.any()),
    )


def _affine(mask: Volume) -> Any:
    """(4, 4) from (z, y, x) index to LPS mm."""
    affine = np.eye(4)
    affine[:3, :3] = mask.geometry.direction * np.array(mask.spacing_mm)
    affine[:3, 3] = mask.geometry.origin_mm
    return affine


def _described(label: int, name: str) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    own = hd.sr.CodedConcept(name.upper().replace(" ", "-")[:16], OWN_SCHEME, name)
    kind = getattr(codes.SCT, CODES[name]) if name in CODES else own
    return hd.seg.SegmentDescription(
        segment_number=label,
        segment_label=name,
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=kind,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="cmrseg", version=__version__, family=codes.DCM.ArtificialIntelligence
        ),
    )
