"""The volumes of a cine's frames as curves, with end-diastole and end-systole marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from cmrseg.report.formatting import number_text
from cmrseg.report.overlay import COLOURS

WIDE, HIGH = 420, 170
LEFT, RIGHT, TOP, BOTTOM = 14, 14, 24, 26
SHOWN = {"LV": COLOURS[1], "RV": COLOURS[3]}
"""Whose volumes are drawn, on a dark ground like the images."""


def curves(measures: Mapping[str, Any]) -> Markup:
    """An SVG drawing of a record's cine; empty without one."""
    cine = measures.get("cine")
    if not cine:
        return Markup("")
    volumes = {name: cine["volume_ml"][name] for name in SHOWN}
    most = max(1.0, *(value for own in volumes.values() for value in own))
    step = (WIDE - LEFT - RIGHT) / max(cine["frames"] - 1, 1)

    def place(frame: int, value: float) -> str:
        y = HIGH - BOTTOM - value / most * (HIGH - TOP - BOTTOM)
        return f"{LEFT + frame * step:.1f},{y:.1f}"

    parts = [f'<rect width="{WIDE}" height="{HIGH}" fill="#1b1b1f"/>']
    for phase in ("ed", "es"):
        frame = cine[f"{phase}_frame"]
        x = LEFT + frame * step
        anchor = "start" if x < WIDE / 2 else "end"
        parts.append(
            f'<path d="M{x:.1f} {TOP - 6}V{HIGH - BOTTOM}" stroke="#fff" stroke-dasharray="4 3"/>'
            f'<text x="{x:.1f}" y="{TOP - 9}" text-anchor="{anchor}">'
            f"{phase.upper()}, frame {frame}</text>"
        )
    for name, own in volumes.items():
        points = " ".join(place(frame, value) for frame, value in enumerate(own))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{SHOWN[name]}" stroke-width="2.5"/>'
        )
    names = " ".join(f'<tspan fill="{colour}">{name}</tspan>' for name, colour in SHOWN.items())
    parts.append(
        f'<text x="{LEFT}" y="{HIGH - 8}">{names}, 0 to {number_text(most)} mL, frames 0 to '
        f"{cine['frames'] - 1}</text>"
    )
    label = escape(f"volumes of {cine['frames']} frames")
    return Markup(
        f'<svg class="curves" role="img" aria-label="{label}" viewBox="0 0 {WIDE} {HIGH}" '
        f'width="{WIDE}" height="{HIGH}">{"".join(parts)}</svg>'
    )
