"""How a scanner and a site make images look: the dial between in- and out-of-distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmrseg.cases.challenge import EMIDEC, MNMS2
from cmrseg.runtime.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Acquisition and appearance; ranges are drawn from uniformly for each patient.

    Attributes:
        vendor: as the challenges' tables name it.
        scanner: model name.
        field_tesla: field strength.
        spacing_mm: pixel size of short-axis images.
        la_spacing_mm: pixel size of the long-axis image.
        gaps_mm: choices of slice distance, narrowest first; one that needs more slices than
            ``most_slices`` gives way to the next.
        most_slices: as many as a technician plans.
        matrices: choices of (rows, columns).
        slices_above: slices beyond the base.
        slices_below: slices beyond the apex.
        breath_mm: how far breath-holds move a slice in its plane (deviation).
        apex_first: whether the stack starts at the apex.
        turns_deg: choices of an extra rotation in the plane.
        resolution: acquired share of k-space along (rows, columns).
        noise: noise deviation relative to blood.
        bias: strength of the coils' unevenness.
        gamma: contrast curve, 1 = linear.
        spread: how much tissues vary from patient to patient.
        fat_sign: -1 where fat and water cancel at edges, 1 where they add.
        scale: grey value of unit signal.
        zero: grey value of no signal in phase-sensitive images; 0 takes the magnitude.
        late: whether these are late-enhancement images.
        centred: whether slices are shifted to have the LV in the middle, margins filled with 0.
        fat_shift_px: how far fat is displaced along the rows or columns (chemical shift).
        slice_scale: how much the grey scale jumps from slice to slice (deviation).
    """

    vendor: str
    scanner: str
    field_tesla: float
    spacing_mm: Range = (1.25, 1.7)
    la_spacing_mm: Range = (1.2, 1.6)
    gaps_mm: tuple[float, ...] = (10.0,)
    most_slices: int = 17
    matrices: tuple[tuple[int, int], ...] = ((256, 216), (256, 208), (216, 256), (256, 256))
    slices_above: Range = (-0.6, 0.7)
    slices_below: Range = (-0.9, 0.4)
    breath_mm: float = 1.2
    apex_first: bool = False
    turns_deg: tuple[float, ...] = (0.0,)
    resolution: tuple[Range, Range] = ((0.7, 0.95), (0.85, 1.0))
    noise: Range = (0.018, 0.05)
    bias: Range = (0.3, 0.9)
    gamma: Range = (0.92, 1.12)
    spread: float = 0.13
    fat_sign: float = -1.0
    scale: Range = (150.0, 700.0)
    zero: float = 0.0
    late: bool = False
    centred: bool = False
    slice_scale: float = 0.0
    fat_shift_px: Range = (0.0, 0.0)


CINE_STYLES: dict[str, Style] = {
    "siemens-1.5t": Style(
        vendor="SIEMENS", scanner="Aera", field_tesla=1.5, spacing_mm=(1.3, 2.0),
        gaps_mm=(5.0, *[10.0] * 8, 12.0, 13.0),
    ),
    "siemens-3t": Style(
        vendor="SIEMENS", scanner="Trio Tim", field_tesla=3.0, noise=(0.015, 0.045),
        bias=(0.5, 1.3), spacing_mm=(1.2, 1.7), gaps_mm=(5.0, 6.0, 7.0, *[10.0] * 8),
        spread=0.16, turns_deg=(0.0, 0.0, 55.0),
    ),
    "philips-1.5t": Style(
        vendor="PHILIPS", scanner="Achieva", field_tesla=1.5, spacing_mm=(1.2, 1.6),
        matrices=((256, 256), (288, 288), (240, 240)), resolution=((0.66, 0.88), (0.78, 0.96)),
        bias=(0.1, 0.5), gaps_mm=(5.0, 5.0, 8.0, *[10.0] * 6), turns_deg=(0.0, 0.0, 55.0),
        scale=(300.0, 1200.0), slices_above=(-0.2, 1.3),
    ),
}  # fmt: skip
"""What training data look like."""

LGE_STYLES: dict[str, Style] = {
    "psir-1.5t": Style(
        vendor="SIEMENS", scanner="Aera", field_tesla=1.5, spacing_mm=(1.36, 1.6),
        gaps_mm=(8.0, *[10.0] * 9, 13.0), matrices=((256, 256), (256, 216), (216, 256), (256, 208)),
        slices_above=(-1.4, -0.4), slices_below=(-1.2, -0.3), breath_mm=2.2, apex_first=True,
        noise=(0.022, 0.06), bias=(0.2, 0.7), spread=0.18, fat_sign=1.0, scale=(58.0, 98.0),
        zero=125.0, late=True, centred=True, slice_scale=0.15,
        resolution=((0.48, 0.68), (0.58, 0.82)), fat_shift_px=(0.5, 2.5),
    ),
    "psir-3t": Style(
        vendor="SIEMENS", scanner="Skyra", field_tesla=3.0, spacing_mm=(1.3, 1.5),
        gaps_mm=(9.6, *[10.0] * 9, 13.0), matrices=((256, 224), (224, 256), (256, 256)),
        slices_above=(-1.4, -0.4), slices_below=(-1.2, -0.3), breath_mm=2.2, apex_first=True,
        noise=(0.02, 0.055), bias=(0.25, 0.8), spread=0.2, fat_sign=1.0, scale=(65.0, 115.0),
        zero=118.0, late=True, centred=True, slice_scale=0.18,
        resolution=((0.48, 0.68), (0.58, 0.82)), fat_shift_px=(0.5, 2.5),
    ),
}  # fmt: skip

HELD_OUT_LGE_STYLES: dict[str, Style] = {
    "magnitude": Style(
        vendor="GE", scanner="Signa HDx", field_tesla=1.5, spacing_mm=(1.4, 1.9),
        gaps_mm=(8.0, 10.0), matrices=((256, 256), (192, 192)), slices_above=(-0.5, 1.5),
        slices_below=(-0.5, 1.0), breath_mm=1.5, late=True, noise=(0.05, 0.1), bias=(0.8, 1.6),
        gamma=(0.7, 0.85), spread=0.22, fat_sign=1.0, scale=(500.0, 1500.0),
        turns_deg=(90.0, 180.0), resolution=((0.4, 0.55), (0.6, 0.8)),
    ),
}  # fmt: skip

HELD_OUT_STYLES: dict[str, Style] = {
    "canon-1.5t": Style(
        vendor="CANON", scanner="Vantage Orian", field_tesla=1.5, spacing_mm=(1.3, 1.7),
        matrices=((256, 256), (288, 256)), resolution=((0.5, 0.65), (0.6, 0.8)),
        noise=(0.03, 0.07), bias=(0.6, 1.4), gamma=(0.72, 0.88), gaps_mm=(8.0, 10.0),
        spread=0.2, turns_deg=(0.0, 180.0), slices_above=(0.0, 1.5), scale=(800.0, 2500.0),
    ),
    "ge-1.5t": Style(
        vendor="GE", scanner="Signa Excite", field_tesla=1.5, spacing_mm=(1.4, 1.6),
        matrices=((256, 256),), resolution=((0.4, 0.55), (0.6, 0.8)), noise=(0.08, 0.14),
        bias=(1.2, 2.0), gamma=(0.6, 0.75), gaps_mm=(8.0, 10.0), fat_sign=1.0, spread=0.25,
        turns_deg=(90.0, 180.0, 270.0), slices_above=(1.0, 3.0), slices_below=(0.5, 2.0),
        scale=(1500.0, 3500.0),
    ),
    "low-field": Style(
        vendor="LOWFIELD", scanner="0.55T", field_tesla=0.55, spacing_mm=(1.7, 2.0),
        matrices=((192, 192), (176, 208)), resolution=((0.45, 0.6), (0.6, 0.75)),
        noise=(0.09, 0.15), bias=(0.0, 0.3), gamma=(1.2, 1.5), spread=0.22, gaps_mm=(12.0, 13.0),
        fat_sign=1.0,
    ),
}  # fmt: skip
"""What training data do not look like: another vendor, then two that are hard to read."""

TABLES: dict[str, dict[str, dict[str, Style]]] = {
    EMIDEC.name: {"in": LGE_STYLES, "out": HELD_OUT_LGE_STYLES},
    MNMS2.name: {"in": CINE_STYLES, "out": HELD_OUT_STYLES},
}
"""Training and held-out styles of each challenge."""

NAMES = {
    challenge: (*tables, *tables["in"], *tables["out"]) for challenge, tables in TABLES.items()
}
"""Styles that can be asked for."""


def choose_style(rng: np.random.Generator, challenge: str, name: str) -> tuple[str, Style]:
    """A style by name, or drawn: ``in`` from the training styles, ``out`` from the held-out ones.

    Raises:
        UsageError: no such style in this challenge.
    """
    if name not in NAMES[challenge]:
        raise UsageError(
            f"there is no style {name!r} in {challenge}", f"choose {', '.join(NAMES[challenge])}"
        )
    tables = TABLES[challenge]
    if name in tables:
        name = str(rng.choice(list(tables[name])))
    return name, {**tables["in"], **tables["out"]}[name]
