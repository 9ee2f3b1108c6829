"""What lies around the heart: chest wall, lungs, mediastinum, spine, and the organs below.

Patient coordinates in LPS mm (x to the left, y to the back, z to the head), with the origin on the
body's axis at the height of the heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmrseg.synthetic.canvas import Canvas
from cmrseg.synthetic.contrast import Contrast
from cmrseg.synthetic.shapes import capsule, ellipsoid, tube
from cmrseg.synthetic.texture import Floats, Texture

Points = tuple[Floats, Floats, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A trunk.

    Attributes:
        half_width_mm: skin to axis, sideways.
        half_depth_mm: skin to axis, front to back.
        fat_mm: fat under the skin.
        wall_mm: muscle and ribs under that.
        diaphragm_z: height of the left dome's top.
        dome_gap_mm: how much higher the right dome is.
        stomach: how bright the stomach's content is, relative to blood.
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
    def inside_mm(self) -> float:
        """From the skin to the chest's inside."""
        return self.fat_mm + self.wall_mm


def draw_body(rng: np.random.Generator, diaphragm_z: float) -> Body:
    """A trunk whose left dome has this height."""
    fat = float(np.clip(np.exp(rng.normal(2.6, 0.5)), 4, 42))
    wall = float(rng.uniform(15, 24))
    return Body(
        half_width_mm=float(np.clip(rng.normal(140, 12), 112, 175)) + fat,
        half_depth_mm=float(np.clip(rng.normal(98, 9), 78, 122)) + 0.8 * fat,
        fat_mm=fat,
        wall_mm=wall,
        diaphragm_z=diaphragm_z,
        dome_gap_mm=float(rng.uniform(2, 18)),
        stomach=float(rng.choice([0.06, 0.3, 0.7, 1.1])),
        stomach_at=(float(rng.normal(72, 10)), float(rng.normal(-5, 15)), float(rng.normal(-48, 8))),
        liver_reach_mm=float(rng.normal(45, 20)),
        arms=bool(rng.random() < 0.3),
        texture=int(rng.integers(64**3)),
    )


def skin_distance(body: Body, x: Floats, y: Floats, z: Floats) -> Floats:
    """Signed distance to the skin: an ellipse with full flanks, wider towards the shoulders."""
    grow = 1 + np.float32(0.0004) * z
    a = 1 / (np.float32(body.half_width_mm) * grow)
    b = np.float32(1 / body.half_depth_mm)
    xs, ys = (x * a) ** 2, (y * b) ** 2
    q = np.sqrt(np.maximum(xs + ys - np.float32(0.28) * xs * ys, 1e-6))
    slope = np.sqrt(xs * (a * a) + ys * (b * b)) / q
    return (q - 1) / np.maximum(slope, np.float32(1 / 220))


def paint_body(canvas: Canvas, body: Body, contrast: Contrast, point: Points) -> None:
    """Paint the whole scenery over air."""
    x, y, z = point
    grain = Texture.at(x, y, z, 2.0, body.texture)
    fine, middle, coarse = grain.fine(), grain.middle(), grain.coarse()
    skin = skin_distance(body, x, y, z)
    fat = contrast.fat * (1 + np.float32(0.05) * coarse)
    if body.arms:
        _paint_arms(canvas, body, contrast, x, y, coarse)
    canvas.paint(skin, contrast.skin)
    canvas.paint(skin + np.float32(1.8), fat)
    # fat lies thicker in front and at the flanks than along the spine
    layer = np.float32(body.fat_mm) * (1 + np.float32(0.12) * coarse) - np.float32(0.05) * y
    inner = skin + np.maximum(layer, 3.0)
    muscle = contrast.muscle * (1 + np.float32(0.12) * middle)
    canvas.paint(inner, muscle)
    canvas.paint(np.abs(inner + np.float32(7.0) + np.float32(3.0) * coarse) - np.float32(0.9), fat)
    _paint_ribs(canvas, body, contrast, point, inner)
    chest = inner + np.float32(body.wall_mm)
    _paint_chest(canvas, contrast, chest, fine, middle)
    _paint_abdomen(canvas, body, contrast, point, chest, (fine, middle, coarse))
    _paint_midline(canvas, body, contrast, point, chest, middle)


def _paint_arms(
    canvas: Canvas, body: Body, contrast: Contrast, x: Floats, y: Floats, coarse: Floats
) -> None:
    side = np.abs(x) - np.float32(body.half_width_mm + 46)
    arm = tube(side, y, (0.0, 15.0), (38.0, 44.0))
    canvas.paint(arm, contrast.fat)
    canvas.paint(arm + np.float32(0.5 * body.fat_mm + 3), contrast.muscle * (1 + 0.1 * coarse))
    canvas.paint(tube(side, y, (0.0, 15.0), (11.0, 11.0)), contrast.cortex)
    canvas.paint(tube(side, y, (0.0, 15.0), (7.0, 7.0)), contrast.bone)


def _paint_ribs(
    canvas: Canvas, body: Body, contrast: Contrast, point: Points, inner: Floats
) -> None:
    x, y, z = point
    slant = z + np.float32(0.5) * y + np.float32(0.05) * np.abs(x)
    turn = slant * np.float32(1 / 27.0)
    along = (turn - np.floor(turn) - np.float32(0.5)) * np.float32(27.0)
    deep = inner + np.float32(body.wall_mm - 6.0)
    rib = np.sqrt(along * along * np.float32(0.36) + deep * deep) - np.float32(4.0)
    canvas.paint(rib, contrast.cortex)
    canvas.paint(rib + np.float32(1.5), contrast.bone)
    edge = np.float32(-body.half_depth_mm + body.fat_mm + 12.0)
    sternum = np.maximum(np.abs(x) - np.float32(19.0), np.abs(y - edge) - np.float32(6.5))
    canvas.paint(sternum, contrast.cortex)
    canvas.paint(sternum + np.float32(1.5), contrast.bone)


def _paint_chest(
    canvas: Canvas, contrast: Contrast, chest: Floats, fine: Floats, middle: Floats
) -> None:
    """Lungs fill the chest; vessels are the brightest grains of the noise."""
    air = contrast.lung * (1 + np.float32(0.25) * middle)
    vessels = np.clip((fine + np.float32(0.7) * middle - np.float32(2.3)) * 1.6, 0, 1)
    canvas.paint(chest, air + vessels * np.float32(abs(contrast.vessel)))


def _paint_abdomen(
    canvas: Canvas,
    body: Body,
    contrast: Contrast,
    point: Points,
    chest: Floats,
    noise: tuple[Floats, Floats, Floats],
) -> None:
    x, y, z = point
    fine, middle, coarse = noise
    top = body.diaphragm_z
    left = np.float32(top) - ((x - 62) ** 2 * np.float32(1 / 170) + (y - 5) ** 2 * np.float32(1 / 190))
    right = np.float32(top + body.dome_gap_mm) - (
        (x + 58) ** 2 * np.float32(1 / 190) + (y - 0) ** 2 * np.float32(1 / 190)
    )
    saddle = np.float32(top - 6) - (x * x * np.float32(1 / 260) + (y + 15) ** 2 * np.float32(1 / 260))
    dome = z - np.maximum(np.maximum(left, right), saddle)
    below = np.maximum(dome * np.float32(0.8), chest)
    if not (below < 0).any():
        return
    canvas.paint(below, contrast.muscle)
    bowel = np.where(middle + coarse > np.float32(0.9), np.float32(contrast.gut), contrast.fat * 0.9)
    within = below + np.float32(2.5)
    canvas.paint(within, bowel * (1 + np.float32(0.1) * fine))
    spleen = ellipsoid(x, y, z, (105, 48, top - 50), (38, 48, 50))
    canvas.paint(np.maximum(spleen, within), contrast.spleen * (1 + np.float32(0.05) * fine))
    _paint_kidneys(canvas, contrast, point, top, within)
    _paint_stomach(canvas, body, contrast, point, within, middle)
    liver = ellipsoid(x, y, z, (-52, 2, top - 62), (100, 88, 82))
    lobe = ellipsoid(x, y, z, (body.liver_reach_mm - 40, -38, top - 30), (70, 48, 38))
    organ = np.maximum(np.minimum(liver, lobe), within)
    veins = np.clip((np.abs(middle + coarse) - np.float32(0.12)) * 8, 0, 1)
    parenchyma = contrast.liver * (1 + np.float32(0.05) * fine)
    deep = np.clip(organ * np.float32(-1 / 14), 0, 1) * np.float32(0.75) * (1 - veins)
    canvas.paint(organ, parenchyma + deep * (contrast.blood_vein - parenchyma))


def _paint_kidneys(
    canvas: Canvas, contrast: Contrast, point: Points, top: float, within: Floats
) -> None:
    x, y, z = point
    kidney = ellipsoid(np.abs(x), y, z, (58, 58, top - 105), (27, 24, 48))
    canvas.paint(np.maximum(kidney, within), contrast.kidney)
    canvas.paint(np.maximum(kidney + 12, within), contrast.fat)


def _paint_stomach(
    canvas: Canvas, body: Body, contrast: Contrast, point: Points, within: Floats, middle: Floats
) -> None:
    cx, cy, cz = body.stomach_at
    stomach = ellipsoid(*point, (cx, cy, body.diaphragm_z + cz), (44, 52, 40))
    stomach = np.maximum(stomach + np.float32(2.5) * middle, within)
    canvas.paint(stomach, contrast.muscle * 1.3)
    content = body.stomach * contrast.gut * 2 * (1 + np.float32(0.35) * middle)
    canvas.paint(stomach + 6, content)


def _paint_midline(
    canvas: Canvas,
    body: Body,
    contrast: Contrast,
    point: Points,
    chest: Floats,
    middle: Floats,
) -> None:
    x, y, z = point
    back = body.half_depth_mm - body.fat_mm * 0.8
    spine = back - 50.0
    stuff = np.where(middle > np.float32(0.4), np.float32(contrast.muscle), contrast.fat * 0.9)
    mediastinum = tube(x, y, (6.0, spine - 42), (24.0, 34.0))
    canvas.paint(np.maximum(mediastinum, chest - 8), stuff)
    for side in (-32.0, 32.0):
        canvas.paint(tube(x, y, (side, spine + 24), (28.0, 17.0)), contrast.muscle * (1 + 0.1 * middle))
    canvas.paint(tube(x, y, (0.0, spine), (21.0, 18.0)), contrast.cortex)
    level = z * np.float32(1 / 31.0)
    disc = np.abs(level - np.floor(level) - np.float32(0.5)) * 31
    marrow = np.where(disc < 3.5, np.float32(contrast.fluid * 0.5), contrast.bone)
    canvas.paint(tube(x, y, (0.0, spine), (19.0, 16.0)), marrow * (1 + np.float32(0.1) * middle))
    arch = tube(x, y, (0.0, spine + 27), (15.0, 13.0))
    canvas.paint(arch, contrast.bone)
    canvas.paint(tube(x, y, (0.0, spine + 24), (9.0, 8.0)), contrast.fluid)
    canvas.paint(tube(x, y, (0.0, spine + 24), (5.0, 4.0)), contrast.muscle * 1.6)
    canvas.paint(tube(x, y, (0.0, spine + 48), (4.0, 16.0)), contrast.bone)
    aorta = tube(x, y, (24.0, spine - 16), (12.0, 12.0))
    canvas.paint(aorta, contrast.muscle)
    canvas.paint(aorta + 1.5, contrast.blood_vein * 1.05)
    cava = capsule(x, y, z, (-24.0, spine - 40, -200.0), (-22.0, spine - 42, 60.0), 11.0)
    canvas.paint(cava, contrast.blood_vein)


def front_light(body: Body, x: Floats, y: Floats, z: Floats, strength: float) -> Floats:
    """How well the coils hear each point: strong near the front, weaker near the back."""
    front = y + np.float32(body.half_depth_mm)
    near = np.exp(front * np.float32(-1 / 90.0))
    rear = np.exp((y - np.float32(body.half_depth_mm)) * np.float32(1 / 60.0))
    side = np.float32(0.0007) * (x - 30) - np.float32(0.0004) * z
    return 1 + np.float32(strength) * (near * np.float32(1.3) + rear * np.float32(0.7) - 0.65 + side)
