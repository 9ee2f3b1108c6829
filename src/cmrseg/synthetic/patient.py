"""One synthetic patient in memory: the public way in for training code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cmrseg.imaging.volume import Volume
from cmrseg.synthetic import anatomy, body, cardiac, contrast, scanner, styles, views
from cmrseg.synthetic.canvas import Canvas
from cmrseg.synthetic.texture import Floats

SAMPLES = 4  # points through a slice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patient:
    """Images and labels by role, and the truth behind them.

    Attributes:
        images: role (``SA_ED``, ``LA_ES``, ``LGE``, ...) -> int16 image.
        labels: the same roles -> uint8 labels on the same voxels.
        facts: group, style, true volumes and the like, JSON-ready.
    """

    images: Mapping[str, Volume]
    labels: Mapping[str, Volume]
    facts: Mapping[str, Any] = field(default_factory=dict)


def draw_patient(challenge: str, seed: int, *, group: str | None = None, style: str = "in") -> Patient:
    """A synthetic patient of a challenge.

    Args:
        challenge: ``mnms2``.
        seed: equal seeds give equal patients, in any process.
        group: disease; drawn if None.
        style: ``in``, ``out`` or the name of a style.
    """
    return draw_mnms2(seed, group, style)


def draw_mnms2(seed: int, group: str | None = None, style: str = "in") -> Patient:
    """A cine patient."""
    rng = np.random.default_rng(seed)
    group = group or anatomy.draw_group(rng, anatomy.MNMS2_MIX)
    style_name, look = styles.choose_style(rng, styles.CINE_STYLES, styles.HELD_OUT_STYLES, style)
    heart = anatomy.draw_heart(rng, group)
    pose = views.draw_pose(rng, heart)
    lowest = pose.origin_mm[2] + min(0.0, pose.axes[2, 2] * -heart.ed.epi.length_mm) - 0.6 * heart.ed.epi.radius_mm
    trunk = body.draw_body(rng, float(lowest + rng.normal(16, 6)))
    table = contrast.draw_contrast(rng, contrast.CINE, look.spread)
    table = replace(table, fat=-abs(table.fat) * -look.fat_sign if look.fat_sign < 0 else abs(table.fat))
    images, labels = {}, {}
    for view_name, view in (("SA", views.short_axis(rng, heart, pose, look)), ("LA", views.four_chamber(rng, heart, pose, look))):
        scene = [_scenery(view, z, trunk, table) for z in range(view.geometry.shape[0])]
        bias = float(rng.uniform(*look.bias))
        light = [_light(view, z, trunk, bias) for z in range(view.geometry.shape[0])]
        noise = float(rng.uniform(*look.noise))
        res = tuple(float(rng.uniform(*r)) for r in look.resolution)
        gamma, scale = float(rng.uniform(*look.gamma)), float(rng.uniform(*look.scale))
        for phase_name, phase in (("ED", heart.ed), ("ES", heart.es)):
            image = np.empty(view.geometry.shape, np.int16)
            label = np.zeros(view.geometry.shape, np.uint8)
            for z in range(len(scene)):
                signal, label[z] = _slice(view, z, scene[z], heart, phase, pose, table)
                seen = np.abs(scanner.acquire(rng, signal * light[z], res, noise))
                image[z] = np.minimum(np.power(seen, np.float32(gamma)) * np.float32(scale), 32000)
            images[f"{view_name}_{phase_name}"] = Volume(image, view.geometry)
            labels[f"{view_name}_{phase_name}"] = Volume(label, view.geometry)
    return Patient(images=images, labels=labels, facts={"group": group, "style": style_name, "vendor": look.vendor, "scanner": look.scanner, "field_tesla": look.field_tesla})


def _scenery(view: views.View, z: int, trunk: body.Body, table: contrast.Contrast) -> Floats:
    point = view.points(z, np.eye(3), np.zeros(3), 2)
    canvas = Canvas(np.zeros(point[0].shape, np.float32), view.spacing)
    body.paint_body(canvas, trunk, table, point)
    return canvas.signal.mean(0)


def _light(view: views.View, z: int, trunk: body.Body, strength: float) -> Floats:
    point = view.points(z, np.eye(3), np.zeros(3), 1)
    return body.front_light(trunk, *point, strength)[0]


def _slice(view, z, scene, heart, phase, pose, table):
    label = np.zeros(scene.shape, np.uint8)
    signal = scene.copy()
    box = view.box_around(z, pose.to_patient((12.0, 0.0, -15.0)), 108.0)
    if box is None:
        return signal, label
    point = view.points(z, pose.axes, pose.origin_mm, SAMPLES, box)
    canvas = Canvas(np.repeat(scene[None, box[0], box[1]], SAMPLES, 0), view.spacing)
    _, shares = cardiac.paint_heart(canvas, heart, phase, table, point)
    signal[box] = canvas.signal.mean(0)
    parts = np.stack([s.mean(0) for s in (shares.cavity, shares.wall, shares.rv)])
    best = parts.argmax(0)
    label[box] = np.where(parts.max(0) > np.maximum(1 - parts.sum(0), 0), best + 1, 0)
    return signal, label
