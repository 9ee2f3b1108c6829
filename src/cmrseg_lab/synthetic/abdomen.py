"""Below the diaphragm: liver, stomach, spleen, kidneys, bowel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg_lab.synthetic.contrast import Contrast
from cmrseg_lab.synthetic.points import Points, where
from cmrseg_lab.synthetic.shapes import Point, SliceCanvas, ellipsoid, share
from cmrseg_lab.synthetic.texture import SIZE, Floats

Noise = tuple[Floats, Floats, Floats, Floats]


def paint_abdomen(
    canvas: SliceCanvas, body: Body, contrast: Contrast, points: Points, chest: Floats, noise: Noise
) -> None:
    """Paint the organs below the domes.

    Args:
        canvas: painted in place.
        body: where the diaphragm stands and what is below.
        contrast: tissue table.
        points: where.
        chest: signed distance to the inside of the chest wall.
        noise: fine, middle, coarse and broad texture.
    """
    below = np.maximum(_dome(body, points) * np.float32(0.8), chest)
    # edges are softer than their surface by less than a pixel: further out nothing would change
    box = where(below < canvas.pixel_mm)
    if box is None or float(below.min()) >= 0:
        return
    canvas, points, below = canvas.part(box), points.crop(box), below[box]
    noise = noise[0][box], noise[1][box], noise[2][box], noise[3][box]
    canvas.paint(below, contrast.muscle)
    within = below + np.float32(2.5)
    canvas.paint(within, _bowel(contrast, noise))
    top = body.diaphragm_z
    for side in (-58, 58):
        kidney = ((side, 58, top - 105), (27, 24, 48))
        _paint_organ(canvas, points, within, *kidney, contrast.kidney, noise)
        _paint_organ(canvas, points, within, kidney[0], (15, 12, 34), contrast.fat, noise)
    spleen = ((105, 48, top - 50), (44, 50, 56))
    _paint_organ(canvas, points, within, *spleen, contrast.spleen, noise)
    cx, cy, cz = body.stomach_at
    centre = (cx, cy, top + cz)
    _paint_organ(canvas, points, within, centre, (54, 62, 46), contrast.muscle * 1.3, noise)
    _paint_organ(
        canvas, points, within, centre, (48, 56, 40), contrast.gut * body.stomach, noise, 0.1
    )
    _paint_liver(canvas, body, contrast, points, within, noise)


def _bowel(contrast: Contrast, noise: Noise) -> Floats:
    """Loops with dark walls and mixed content in fat."""
    fine, middle, coarse, _ = noise
    content = np.float32(contrast.gut) * (1 + np.float32(0.5) * middle + np.float32(0.15) * fine)
    loops = np.clip(coarse * np.float32(1.5) + np.float32(0.2), 0, 1)
    fat = np.float32(0.9 * contrast.fat) * (1 + np.float32(0.1) * middle)
    wall = np.clip(np.abs(coarse - np.float32(0.1)) * np.float32(6), 0.15, 1)
    return np.asarray((fat + loops * (content - fat)) * wall)


def _dome(body: Body, points: Points) -> Floats:
    """Height over the diaphragm: two domes and the saddle that the heart rests on."""
    x, y, z = points.xyz
    top = body.diaphragm_z
    deep = y * y * np.float32(1 / 190)
    left = np.float32(top) - (x - 62) ** 2 * np.float32(1 / 170) - deep
    right = np.float32(top + body.dome_gap_mm) - (x + 58) ** 2 * np.float32(1 / 190) - deep
    saddle = np.float32(top - 6) - x * x * np.float32(1 / 260) - deep
    return np.asarray(z - np.maximum(np.maximum(left, right), saddle))


def _paint_organ(
    canvas: SliceCanvas,
    points: Points,
    within: Floats,
    centre: Point,
    half_axes: Point,
    value: float,
    noise: Noise,
    mottle: float = 0.05,
) -> None:
    window = points.ball(centre, max(half_axes) + 3)
    if window is None:
        return
    fine, middle, *_ = (n[window] for n in noise)
    shape = ellipsoid(*points.within(window), centre, half_axes) + np.float32(2.0) * middle
    tissue = np.float32(value) * (1 + np.float32(mottle) * (fine + middle))
    canvas.part(window).paint(np.maximum(shape, within[window]), tissue)


def _paint_liver(
    canvas: SliceCanvas,
    body: Body,
    contrast: Contrast,
    points: Points,
    within: Floats,
    noise: Noise,
) -> None:
    fine, middle, coarse, broad = noise
    top = body.diaphragm_z
    right = ellipsoid(*points.xyz, (-52, 2, top - 62), (100, 88, 82))
    left = ellipsoid(*points.xyz, (body.liver_reach_mm - 40, -38, top - 30), (70, 48, 38))
    organ = np.maximum(np.minimum(right, left), within)
    uneven = 1 + np.float32(0.05) * fine + np.float32(0.06) * middle + np.float32(0.08) * broad
    canvas.paint(organ, np.float32(contrast.liver) * uneven)
    # veins along the curves where two noises vanish together
    off = np.sqrt((np.float32(10) * coarse) ** 2 + (np.float32(12) * broad) ** 2)
    veins = np.maximum(off - np.float32(2.4) - np.float32(0.8) * middle, organ + 6)
    canvas.blend(np.float32(0.7) * share(veins, 2.5), contrast.blood_vein)


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
