"""One view of one patient, imaged: scenery once, the heart at each phase, then the scanner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cmrseg.imaging.volume import Array, Geometry, Volume
from cmrseg_lab.synthetic.abdomen import Body
from cmrseg_lab.synthetic.anatomy import Heart, Phase
from cmrseg_lab.synthetic.artefacts import field_of_view, wrapped
from cmrseg_lab.synthetic.body import front_light, paint_body
from cmrseg_lab.synthetic.cardiac import Shares, paint_heart
from cmrseg_lab.synthetic.contrast import Contrast
from cmrseg_lab.synthetic.grain import Site
from cmrseg_lab.synthetic.infarct import Infarct
from cmrseg_lab.synthetic.points import Points, Window, around
from cmrseg_lab.synthetic.scanner import Scanner
from cmrseg_lab.synthetic.shapes import SliceCanvas
from cmrseg_lab.synthetic.styles import Style
from cmrseg_lab.synthetic.surfaces import surfaces
from cmrseg_lab.synthetic.texture import Floats
from cmrseg_lab.synthetic.views import Pose, View

SAMPLES = 3
"""Points through the thickness of a slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What there is to be seen.

    Attributes:
        heart: the heart over its cycle.
        pose: how it lies in the patient.
        body: what lies around it.
        contrast: the patient's own tissue table.
        infarct: dead myocardium, if any.
    """

    heart: Heart
    pose: Pose
    body: Body
    contrast: Contrast
    infarct: Infarct | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exam:
    """A scene seen in one view; what does not move is painted once.

    Attributes:
        scene: what there is to be seen.
        view: where the slices lie.
        style: the scanner's ways.
        scenery: (slices, rows, columns) signal around the heart.
        light: (slices, rows, columns) how well the coils hear.
        scanner: its settings.
    """

    scene: Scene
    view: View
    style: Style
    scenery: Floats
    light: Floats
    scanner: Scanner

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        scene: Scene,
        view: View,
        style: Style,
        strengths: Mapping[str, float],
    ) -> Exam:
        """An examination with the style's settings drawn, and these artefacts."""
        bias = float(rng.uniform(*style.bias))
        planes = [_surroundings(scene, view, z, bias) for z in range(view.geometry.shape[0])]
        scenery, light = (np.stack(each) for each in zip(*planes, strict=True))
        return cls(
            scene=scene,
            view=view,
            style=style,
            scenery=scenery,
            light=light,
            scanner=Scanner.draw(rng, style, strengths),
        )

    def images(
        self, rng: np.random.Generator, artefact_rng: np.random.Generator, phases: Sequence[Phase]
    ) -> list[tuple[Volume, Volume]]:
        """The image and its labels at each phase."""
        painted = list(
            zip(*(self._paint(z, phases) for z in range(len(self.scenery))), strict=True)
        )
        shown = np.stack([label for slices in painted for _, label in slices])
        field = field_of_view(shown, self.scanner.artefacts.get("wrap", 0.0))
        return [self._image(rng, artefact_rng, slices, field) for slices in painted]

    def _image(
        self,
        rng: np.random.Generator,
        artefact_rng: np.random.Generator,
        slices: Sequence[tuple[Floats, Array]],
        field: slice,
    ) -> tuple[Volume, Volume]:
        """The image and its labels, of the signal and labels of each slice.

        Rows outside the field of view stay empty, so that all images of a view share a grid.
        """
        geometry = self.view.geometry
        image = np.zeros(geometry.shape, np.int16)
        label = np.zeros(geometry.shape, np.uint8)
        for z, (signal, label[z]) in enumerate(slices):
            seen = wrapped(signal * self.light[z], field)
            image[z, field] = self.scanner.image(rng, artefact_rng, seen)
            if self.style.centred:
                image[z], label[z] = _centre(image[z], label[z])
        if self.style.centred:
            # slices that were moved one by one have no place in the patient any more
            geometry = Geometry(shape=geometry.shape, spacing_mm=geometry.spacing_mm)
        return Volume(image, geometry), Volume(label, geometry)

    def _paint(self, z: int, phases: Sequence[Phase]) -> list[tuple[Floats, Array]]:
        """Signal and labels of one slice at each phase."""
        scene = self.scene
        points = self.view.points(z, scene.pose.axes, scene.pose.origin_mm, SAMPLES)
        window = _covered(points, scene.heart, phases)
        if window is None:
            return [self._empty(z) for _ in phases]
        site = Site.of(scene.heart, points.crop(window).xyz)
        return [self._with_phase(z, window, site, phase) for phase in phases]

    def _empty(self, z: int) -> tuple[Floats, Array]:
        """Signal and labels of a slice without a heart."""
        return self.scenery[z].copy(), np.zeros(self.scenery[z].shape, np.uint8)

    def _with_phase(self, z: int, window: Window, site: Site, phase: Phase) -> tuple[Floats, Array]:
        """Signal and labels of a slice with the heart of one phase in a window."""
        signal, label = self._empty(z)
        canvas = SliceCanvas(np.repeat(signal[None][window], SAMPLES, 0), self.view.pixel_mm)
        shares = paint_heart(canvas, site, phase, self.scene.contrast, self.scene.infarct)
        signal[window[1:]] = _through(canvas.signal)
        label[window[1:]] = emidec_labels(shares) if self.style.late else cine_labels(shares)
        return signal, label


MARGIN_MM = 12.0
"""How far from the points looked at, every fourth, the fat on the heart may reach unseen."""


def _covered(points: Points, heart: Heart, phases: Iterable[Phase]) -> Window | None:
    """The part of a slice that the heart, its vessels and its fat fill at any of these phases.

    What is drawn does not depend on the window, as long as it holds all of the heart.
    """
    some = points.sparse()
    site = Site.of(heart, some.xyz, sparse=True)
    cover = site.fat_mm + site.pad_mm + np.float32(MARGIN_MM)
    near = []
    for phase in phases:
        shapes = surfaces(heart, phase, site.polar)
        near.append(shapes.heart(shapes.ventricles()) < cover)
    return around(np.logical_or.reduce(near), points.shape)


def cine_labels(shares: Shares) -> Array:
    """M&Ms-2 codes: 1 LV cavity, 2 myocardium, 3 RV cavity, by majority through the slice."""
    return _majority([shares.cavity, shares.wall, shares.rv])


def emidec_labels(shares: Shares) -> Array:
    """EMIDEC codes: 1 cavity, 2 normal myocardium, 3 infarction, 4 no-reflow, by majority."""
    label = _majority([shares.cavity, shares.wall])
    if shares.infarct is None or shares.no_reflow is None:
        return label
    wall, dead, core = (_through(s) for s in (shares.wall, shares.infarct, shares.no_reflow))
    muscle = label == 2
    label[muscle & (dead > 0.5 * wall)] = 3
    label[muscle & (core > 0.5 * wall)] = 4
    return label


def _majority(shares: list[Floats]) -> Array:
    """The number, from 1, of the largest share; 0 where they are less than half together."""
    parts = [_through(share) for share in shares]
    largest, label = parts[0], np.ones(parts[0].shape, np.uint8)
    for number, part in enumerate(parts[1:], start=2):
        np.copyto(label, number, where=part > largest)
        largest = np.maximum(largest, part)
    return label * (sum(parts) > 0.5)


def _through(samples: Floats) -> Floats:
    """Mean through the slice (numpy's own takes twice as long over so few)."""
    return np.asarray(sum(samples[1:], start=samples[0]) / np.float32(len(samples)))


def _centre(image: Array, label: Array) -> tuple[Array, Array]:
    """Image and labels moved to have the LV in the middle, margins filled with 0."""
    if not label.any():
        return image, label
    middle = np.argwhere(label > 0).mean(0)
    shift = [round((n - 1) / 2 - m) for n, m in zip(label.shape, middle, strict=True)]
    return _moved(image, shift), _moved(label, shift)


def _moved(array: Array, shift: list[int]) -> Array:
    moved = np.zeros_like(array)
    source = tuple(
        slice(max(-s, 0), n - max(s, 0)) for s, n in zip(shift, array.shape, strict=True)
    )
    target = tuple(
        slice(max(s, 0), n - max(-s, 0)) for s, n in zip(shift, array.shape, strict=True)
    )
    moved[target] = array[source]
    return moved


def _surroundings(scene: Scene, view: View, z: int, bias: float) -> tuple[Floats, Floats]:
    """What lies around the heart in a slice, and how well the coils hear it."""
    points = view.points(z, np.eye(3), np.zeros(3), 1)
    signal = np.zeros((1, *points.shape), np.float32)
    paint_body(signal, scene.body, scene.contrast, points)
    return np.asarray(signal[0]), np.asarray(front_light(scene.body, points, bias)[0])
