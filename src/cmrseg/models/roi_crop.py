"""Networks look at the whole image once, and from then on at the heart.

Mirror images and dropout samples take forty passes a case, refinement dozens, and three quarters
of a slice are chest wall. What is found in the whole image tells where the heart is; further passes
see its box and :data:`MARGIN` voxels around, more than the patches that networks learn from show.
Beyond the box is background, without doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cmrseg.imaging.grey_scale import LIMIT
from cmrseg.imaging.postprocess import largest
from cmrseg.imaging.volume import Array, Volume
from cmrseg.models.ensemble import Passes, Segmenter

MARGIN = 24
"""Voxels kept around the heart in plane, 35 mm on EMIDEC's grid."""
WORTH = 0.6
"""A box that is a larger share of the image saves less than the first look costs."""
FEWEST_PASSES = 4
"""Fewer passes a network are done sooner over the whole image."""
STEP = 32
"""Sizes of rounded boxes are multiples of this: a library prepares itself for each new shape."""
LEAST_DEVIATION = 1e-3
SMALLEST = 128
"""An image narrower than this is shown whole: a heart and its margin fill it."""


@dataclass(frozen=True, slots=True, eq=False)
class Roi:
    """What networks are shown of an image.

    Attributes:
        image: (z, y, x), the heart and its surroundings, or the whole image.
        whole: (z, y, x) shape of the whole image.
        box: where in the whole image it lies.
        companion: (z, y, x) of the other phase on the same voxels, where there is one.
        seconds: that networks took to find it.
        warnings: what had to be done differently for that, in words.
    """

    image: Volume
    whole: tuple[int, ...]
    box: tuple[slice, slice, slice]
    companion: Array | None = None
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    @classmethod
    def on(cls, segmenter: Segmenter, image: Volume, passes: int) -> Roi:
        """Find the heart; the whole image where it is not found, or little is to be saved.

        Networks whose images are prepared by what lies inside them are always shown the box.

        Args:
            segmenter: whose networks look.
            image: prepared, (z, y, x).
            passes: that are to follow, of all networks together.
        """
        if segmenter.preparation == "interior":
            return cls.localised(segmenter, image)
        few = passes < FEWEST_PASSES * len(segmenter.networks)
        if few or min(image.array.shape[1:]) < SMALLEST:
            return cls(image, image.array.shape, np.s_[:, :, :])
        seen = segmenter.look(image)
        roi = cls.around(image, _heart(seen))
        return replace(roi, seconds=seen.seconds, warnings=seen.warnings)

    @classmethod
    def around(cls, image: Volume, heart: Array) -> Roi:
        """A heart that was found already; the whole image where there is none, or little to save.

        Args:
            image: prepared, (z, y, x).
            heart: (z, y, x) bool.
        """
        everything = cls(image, image.array.shape, np.s_[:, :, :])
        if not heart.any():
            return everything
        rows, columns = (np.asarray(heart.any(axis=axes)) for axes in ((0, 2), (0, 1)))
        box = (slice(None), _wide(rows), _wide(columns))
        cut = image.array[box]
        if cut.size > WORTH * image.array.size:
            return everything
        # Where it lies does not matter to networks; results are put back by the box.
        part = Volume(cut.copy(), replace(image.geometry, shape=cut.shape))
        return cls(part, image.array.shape, box)

    @classmethod
    def localised(cls, segmenter: Segmenter, image: Volume, companion: Array | None = None) -> Roi:
        """Find the heart in a first pass; further passes are shown its box, on its own scale.

        Args:
            segmenter: whose networks look.
            image: prepared, (z, y, x).
            companion: (z, y, x) of the other phase on the same voxels.
        """
        seen = segmenter.look(image, companion)
        roi = cls.rounded(image, _heart(seen))
        return replace(
            roi,
            image=roi.image.like(roi.rescaled(image.array)),
            companion=None if companion is None else roi.rescaled(companion),
            seconds=seen.seconds,
            warnings=seen.warnings,
        )

    @classmethod
    def rounded(cls, image: Volume, heart: Array) -> Roi:
        """A box whose sizes are multiples of :data:`STEP`, as far as the image reaches.

        Args:
            image: prepared, (z, y, x).
            heart: (z, y, x) bool; the whole image is shown where it is empty.
        """
        if not heart.any():
            return cls(image, image.array.shape, np.s_[:, :, :])
        rows, columns = (np.asarray(heart.any(axis=axes)) for axes in ((0, 2), (0, 1)))
        box = (slice(None), _rounded(rows), _rounded(columns))
        cut = np.ascontiguousarray(image.array[box])
        part = Volume(cut, replace(image.geometry, shape=cut.shape))
        return cls(part, image.array.shape, box)

    def rescaled(self, array: Array) -> Array:
        """A (z, y, x) array's part in the box on a grey scale of its own.

        How much air and fat lie around the heart, and with them the image's scale, depend on the
        field of view; the box does not.
        """
        part = array[self.box]
        deviation = max(float(part.std()), LEAST_DEVIATION)
        scaled: Array = np.clip((part - part.mean()) / deviation, -LIMIT, LIMIT)
        return np.ascontiguousarray(scaled, np.float32)

    def back(self, maps: Array) -> Array:
        """(n, z, y, x) maps of the part on the whole image, zero beyond."""
        if maps.shape[1:] == self.whole:
            return maps
        full = np.zeros((len(maps), *self.whole), maps.dtype)
        full[(slice(None), *self.box)] = maps
        return full

    def probabilities(self, found: Array) -> Array:
        """(C, z, y, x) class probabilities on the whole image, background beyond the part."""
        full = self.back(found)
        if full is not found:
            background = np.ones(self.whole, bool)
            background[self.box] = False
            full[0][background] = 1
        return full

    @property
    def share(self) -> float:
        """How much of the whole image the part is, 0..1."""
        return float(self.image.array.size / np.prod(self.whole))


def _heart(seen: Passes) -> Array:
    """(z, y, x) bool: the largest piece of what the networks' mean calls heart."""
    return largest(np.asarray(seen.maps.mean(axis=0).argmax(axis=0) > 0))


def _rounded(there: Array) -> slice:
    """What holds something and the margin, grown to a multiple of :data:`STEP` inside the image."""
    wide, total = _wide(there), len(there)
    stop = min(wide.stop, total)
    size = min(-(-(stop - wide.start) // STEP) * STEP, total)
    start = min(max(0, (wide.start + stop - size) // 2), total - size)
    return slice(start, start + size)


def _wide(there: Array) -> slice:
    """From the first to the last place that holds something, and the margin."""
    found = np.flatnonzero(there)
    return slice(max(0, int(found[0]) - MARGIN), int(found[-1]) + MARGIN + 1)
