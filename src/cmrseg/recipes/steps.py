"""Steps both recipes take: reading an image, naming its role in errors, settling on labels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from cmrseg.cases.case import ImageSource
from cmrseg.imaging.grey_scale import bounding_box, interior
from cmrseg.imaging.orient import canonical, slice_axis
from cmrseg.imaging.prepare import Preparation, Prepared, cropped, prepare
from cmrseg.imaging.read import check_image
from cmrseg.imaging.volume import Geometry, Grid, Volume
from cmrseg.runtime.errors import CmrsegError, InputError
from cmrseg.runtime.memory import too_little

WIDEST_MM = 900.0
"""No magnet is wider; a larger field of view means a wrong header."""
NARROWEST_MM = 20.0
"""No heart fits in less: a smaller field of view means spacing in other units than mm."""


def prepared_image(
    source: ImageSource, grid: Grid, preparation: Preparation = "nonzero"
) -> tuple[Volume, Prepared]:
    """The image as stored, and as a network sees it.

    Raises:
        InputError: unreadable, no image (constant, not finite, a label map), or of a size that
            no scanner makes.
    """
    volume = source.read()
    check_image(volume)
    _check_field_of_view(volume)
    return volume, prepare(volume, grid, preparation)


def missing_structures(values: Mapping[str, float]) -> list[str]:
    """A warning where a mask lacks a structure that every heart has.

    Args:
        values: structure -> size.
    """
    names = [name for name, value in values.items() if not value]
    return [f"no {' and no '.join(names)} was found"] if names else []


def implausible_volumes(
    values_ml: Mapping[str, float], bounds_ml: Mapping[str, tuple[float, float]]
) -> tuple[str, ...]:
    """What to say of volumes that no heart has; :func:`missing_structures` tells of absent ones.

    Args:
        values_ml: structure -> mL.
        bounds_ml: structure -> lowest and highest that a heart may have.
    """
    return tuple(
        f"the volume of the {name} is {values_ml[name]:.3g} mL, where hearts have {low:g} to "
        f"{high:g}: is the voxel size in the header right, and is the whole heart in the image?"
        for name, (low, high) in bounds_ml.items()
        if values_ml.get(name) and not low <= values_ml[name] <= high
    )


@contextlib.contextmanager
def within_role(role: str) -> Iterator[None]:
    """Put the image's role before what an error says; lack of memory is told like any other."""
    try:
        yield
    except MemoryError as error:
        raise too_little(f"{role}: the image does not fit the memory") from error
    except CmrsegError as error:
        raise error.within(role) from error


def _check_field_of_view(volume: Volume) -> None:
    """Refuse spacing that cannot be true before resampling by it costs all memory."""
    extent = _extent_mm(volume.geometry)
    if max(extent) > WIDEST_MM:  # padding is no field of view
        turned = canonical(volume)[0]
        extent = _extent_mm(cropped(turned.geometry, bounding_box(interior(turned.array))))
    if max(extent) > WIDEST_MM or min(extent) < NARROWEST_MM:
        raise InputError(
            f"the field of view is {extent[0]:.3g} x {extent[1]:.3g} mm, which no heart scan has",
            "write the true voxel spacing in mm into the image's header",
        )


def _extent_mm(geometry: Geometry) -> list[float]:
    """The sides of a stack in plane."""
    extent = [n * s for n, s in zip(geometry.shape, geometry.spacing_mm, strict=True)]
    extent.pop(slice_axis(geometry))
    return extent
