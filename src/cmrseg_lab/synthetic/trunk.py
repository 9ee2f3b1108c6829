"""The trunk's measures, drawn from a population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg_lab.synthetic.texture import SIZE, Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A trunk, in LPS mm around its own axis at the height of the heart.

    Attributes:
        half_width_mm: skin to axis, sideways.
        half_depth_mm: skin to axis, front to back.
        fat_mm: fat under the skin.
        wall_mm: muscle and ribs under that.
        diaphragm_z: height of the left dome's top.
        dome_gap_mm: how much higher the right dome is.
        stomach: how bright the stomach's content is, relative to the gut's.
        stomach_at: its centre relative to the dome's top.
        liver_reach_mm: how far the left lobe goes over the midline.
        arms: whether the arms lie beside the trunk.
        texture: which part of the noise this body is made of.
    """

    half_width_mm: float
    half_depth_mm: float
    fat_mm: float
    wall_mm: float
    diaphragm_z: float
    dome_gap_mm: float
    stomach: float
    stomach_at: tuple[float, float, float]
    liver_reach_mm: float
    arms: bool
    texture: int

    @property
    def spine_y(self) -> float:
        """Where the vertebral bodies stand."""
        return self.half_depth_mm - 0.8 * self.fat_mm - 50.0

    def skin(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Signed distance to the skin: an ellipse with full flanks, wider at the shoulders."""
        a = 1 / (np.float32(self.half_width_mm) * (1 + np.float32(0.0004) * z))
        b = np.float32(1 / self.half_depth_mm)
        xs, ys = (x * a) ** 2, (y * b) ** 2
        q = np.sqrt(np.maximum(xs + ys - np.float32(0.4) * np.minimum(xs * ys, 1), 1e-6))
        slope = np.sqrt(xs * (a * a) + ys * (b * b)) / q
        return np.asarray((q - 1) / np.maximum(slope, np.float32(1 / 220)))


def draw_body(rng: np.random.Generator, diaphragm_z: float) -> Body:
    """A trunk whose left dome has this height."""
    fat = float(np.clip(np.exp(rng.normal(2.6, 0.5)), 4, 42))
    stomach = float(rng.normal(72, 10)), float(rng.normal(-5, 15)), float(rng.normal(-48, 8))
    return Body(
        half_width_mm=float(np.clip(rng.normal(158, 12), 125, 190)) + fat,
        half_depth_mm=float(np.clip(rng.normal(114, 9), 90, 136)) + 0.8 * fat,
        fat_mm=fat,
        wall_mm=float(rng.uniform(15, 24)),
        diaphragm_z=diaphragm_z,
        dome_gap_mm=float(rng.uniform(2, 18)),
        stomach=float(rng.choice([0.12, 0.6, 1.2, 1.8])),
        stomach_at=stomach,
        liver_reach_mm=float(rng.normal(45, 20)),
        arms=bool(rng.random() < 0.3),
        texture=int(rng.integers(SIZE**3)),
    )
