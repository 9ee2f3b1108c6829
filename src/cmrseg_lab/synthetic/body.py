"""What lies around the heart: chest wall, lungs, mediastinum, spine, and the organs below.

Patient coordinates in LPS mm (x to the left, y to the back, z to the head), with the origin on the
body's axis at the height of the heart.
"""

from __future__ import annotations

import numpy as np

from cmrseg_lab.synthetic.abdomen import Body, Noise, paint_abdomen
from cmrseg_lab.synthetic.contrast import CINE, Contrast
from cmrseg_lab.synthetic.points import Points, around, sparse, where
from cmrseg_lab.synthetic.shapes import SliceCanvas, share, tube
from cmrseg_lab.synthetic.texture import STEP, Floats, Texture, slow_noise, spread

EDGE_MM = 1.5
"""How soft edges of the scenery are: one point through the slice stands for all."""


def paint_body(signal: Floats, body: Body, contrast: Contrast, points: Points) -> None:
    """Paint the whole scenery over air.

    Args:
        signal: (1, rows, columns), painted in place.
        body: what there is.
        contrast: tissue table.
        points: where, one point through the slice.
    """
    canvas = SliceCanvas(signal, EDGE_MM)
    if body.arms:
        _paint_arms(canvas, body, contrast, points)
    box = around(body.skin(*map(sparse, points.xyz)) < EDGE_MM, points.shape)
    if box is not None:
        _paint_trunk(canvas.part(box), body, contrast, points.crop(box))


def _paint_trunk(canvas: SliceCanvas, body: Body, contrast: Contrast, points: Points) -> None:
    """From the skin inwards."""
    x, y, z = points.xyz
    grain = Texture.at(x, y, z, 1.0, body.texture)
    fine, middle = grain.fine(), grain.middle()
    coarse = slow_noise(x, y, z, 1.0, body.texture)
    broad = slow_noise(y, z, x, 1.6, body.texture + 4096)
    skin = body.skin(x, y, z)
    fat = contrast.fat * (1 + np.float32(0.05) * coarse)
    canvas.paint(skin, contrast.skin)
    canvas.paint(skin + np.float32(1.8), fat)
    # fat lies thicker in front and at the flanks than along the spine
    layer = np.float32(body.fat_mm) * (1 + np.float32(0.07) * coarse) - np.float32(0.05) * y
    inner = skin + np.maximum(layer, 3.0) + np.float32(2.2) * broad
    canvas.paint(
        inner, contrast.muscle * (1 + np.float32(0.2) * middle + np.float32(0.15) * coarse)
    )
    for depth, wave in ((6.0, coarse), (12.0, broad)):
        seam = np.abs(inner + np.float32(depth) + np.float32(3.0) * wave) - np.float32(0.3)
        # no dark rims: strands thinner than a voxel
        canvas.paint(seam - np.float32(0.8) * middle, np.abs(fat) * np.float32(0.7))
    _paint_ribs(canvas, body, contrast, points, inner, (middle, coarse))
    chest = inner + np.float32(body.wall_mm)
    _paint_chest(canvas, contrast, points, chest, (fine, middle, coarse, broad))
    paint_abdomen(canvas, body, contrast, points, chest, (fine, middle, coarse, broad))
    _paint_midline(canvas, body, contrast, points, chest, (middle, coarse))


def _paint_arms(canvas: SliceCanvas, body: Body, contrast: Contrast, points: Points) -> None:
    x, y, _ = points.xyz
    side = np.abs(x) - np.float32(body.half_width_mm + 46)
    arm = tube(side, y, (0.0, 15.0), (38.0, 44.0))
    canvas.paint(arm, contrast.fat)
    canvas.paint(arm + np.float32(0.4 * body.fat_mm + 3), contrast.muscle)
    bone = tube(side, y, (0.0, 15.0), (11.0, 11.0))
    canvas.paint(bone, contrast.cortex)
    canvas.paint(bone + 4, contrast.bone)


def _paint_ribs(
    canvas: SliceCanvas,
    body: Body,
    contrast: Contrast,
    points: Points,
    inner: Floats,
    noise: tuple[Floats, Floats],
) -> None:
    (x, y, z), (middle, coarse) = points.xyz, noise
    slant = z + np.float32(0.5) * y + np.float32(0.05) * np.abs(x)
    turn = slant * np.float32(1 / 27.0)
    along = (turn - np.floor(turn) - np.float32(0.5)) * np.float32(27.0)
    deep = inner + np.float32(body.wall_mm - 6.0)
    rib = np.sqrt(along * along * np.float32(0.36) + deep * deep) - np.float32(3.6)
    rib += np.float32(1.8) * middle + np.float32(1.6) * np.maximum(coarse, 0)
    canvas.paint(rib, contrast.cortex)
    canvas.paint(rib + np.float32(1.8), abs(contrast.bone))
    edge = np.float32(-body.half_depth_mm + body.fat_mm + 12.0)
    sternum = tube(x, y, (0.0, float(edge)), (19.0, 7.5)) + np.float32(1.2) * middle
    canvas.paint(sternum, contrast.cortex)
    canvas.paint(sternum + np.float32(1.5), abs(contrast.bone) * (1 + np.float32(0.15) * middle))


def _paint_chest(
    canvas: SliceCanvas, contrast: Contrast, points: Points, chest: Floats, noise: Noise
) -> None:
    """Lungs fill the chest; vessels branch through them, thick near the hila."""
    box = where(chest < EDGE_MM)
    if box is None:
        return
    canvas, chest = canvas.part(box), chest[box]
    (x, y, _), (fine, middle, coarse, broad) = points.within(box), (n[box] for n in noise)
    near = 1 - np.sqrt((np.abs(x) - 45) ** 2 + (y - 10) ** 2) * np.float32(1 / 115)
    near = np.maximum(near, 0)
    uneven = np.float32(0.25) * (coarse + middle) + np.float32(0.4) * near
    # where lungs are as dark as air they still are uneven
    canvas.paint(chest, contrast.lung + np.float32(max(contrast.lung, CINE.lung)) * uneven)
    # two noises vanish together along curves: tubes around these, seen cut into beads
    thick = np.float32(2.6) * near + np.float32(0.7) * (broad + fine) - np.float32(0.6)
    off = np.sqrt((np.float32(4) * middle) ** 2 + (np.float32(8) * coarse) ** 2)
    tubes = np.maximum(off - thick, chest + 2)
    canvas.blend(np.float32(0.9) * share(tubes, 1.8), contrast.vessel)
    # fat between the pleurae behind the sternum
    front = np.float32(0.5) - ((x - 20) * np.float32(1 / 70)) ** 2 + np.float32(0.4) * broad
    stuff = np.float32(0.85 * contrast.fat) * (1 + np.float32(0.12) * coarse)
    canvas.paint(np.maximum(chest, -chest - np.float32(22) * front), stuff)


def _paint_midline(
    canvas: SliceCanvas,
    body: Body,
    contrast: Contrast,
    points: Points,
    chest: Floats,
    noise: tuple[Floats, Floats],
) -> None:
    """Mediastinum, spine with its muscles, descending aorta and vena cava."""
    spine = body.spine_y
    box = where((np.abs(points.xyz[0]) < 64) & (points.xyz[1] > spine - 58))
    if box is None:
        return
    canvas, chest = canvas.part(box), chest[box]
    (x, y, z), (middle, coarse) = points.within(box), (n[box] for n in noise)
    # fat between nodes, oesophagus and small vessels
    stuff = np.float32(0.75 * contrast.fat) * (1 + np.float32(0.15) * middle)
    stuff = np.where(coarse > 0.4, np.float32(0.8 * contrast.muscle), stuff)
    mediastinum = tube(x, y, (4.0, spine - 24), (30.0, 17.0))
    canvas.paint(np.maximum(mediastinum, chest - 8), stuff)
    canvas.paint(tube(x, y, (4.0, spine - 26), (9.0, 6.0)), contrast.muscle)
    canvas.paint(tube(np.abs(x), y, (32.0, spine + 24), (28.0, 17.0)), contrast.muscle)
    column = tube(x, y, (0.0, spine), (21.0, 18.0))
    canvas.paint(column, contrast.cortex)
    level = z * np.float32(1 / 31.0)
    disc = np.abs(level - np.floor(level) - np.float32(0.5)) * 31
    marrow = np.where(disc < 3.5, contrast.fluid * 0.3, contrast.bone).astype(np.float32)
    canvas.paint(column + 1.5, marrow * (1 + np.float32(0.15) * middle + np.float32(0.1) * coarse))
    canvas.paint(tube(x, y, (0.0, spine + 27), (15.0, 13.0)), contrast.bone)
    canal = tube(x, y, (0.0, spine + 24), (9.0, 8.0))
    canvas.paint(canal, contrast.fluid)
    canvas.paint(canal + 4, contrast.muscle * 1.6)
    canvas.paint(tube(x, y, (0.0, spine + 48), (4.0, 16.0)), contrast.bone)
    aorta = tube(x, y, (24.0, spine - 16), (12.0, 12.0))
    canvas.paint(aorta, contrast.muscle)
    canvas.paint(aorta + 1.5, contrast.blood_vein * 1.05)
    cava = np.maximum(tube(x, y, (-24.0, spine - 42), (11.0, 11.0)), z - 40)
    canvas.paint(cava, contrast.blood_vein)


def front_light(body: Body, points: Points, strength: float) -> Floats:
    """How well the coils hear each point: strong near the front, weaker near the back."""
    # slow enough to be worked out at every fourth point
    x, y, z = (p[:, ::STEP, ::STEP] for p in points.xyz)
    near = np.exp((y + np.float32(body.half_depth_mm)) * np.float32(-1 / 90.0))
    rear = np.exp((y - np.float32(body.half_depth_mm)) * np.float32(1 / 60.0))
    side = np.float32(0.0007) * (x - 30) - np.float32(0.0004) * z
    uneven = near * np.float32(1.3) + rear * np.float32(0.7) - np.float32(0.65) + side
    return spread(1 + np.float32(strength) * uneven, points.shape)
