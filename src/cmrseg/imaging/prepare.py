"""From a stored image to what a network sees, and from what it says back to the stored image."""

from __future__ import annotations

from dataclasses import dataclass

from cmrseg.imaging.grid import Grid
from cmrseg.imaging.intensity import robust_zscore
from cmrseg.imaging.orient import Orientation, canonical
from cmrseg.imaging.resample import labels_to_grid, probabilities_to, to_grid
from cmrseg.imaging.volume import Array, Geometry, Volume


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image on a recipe's grid, and the way back.

    Attributes:
        image: float32 (z, y, x), one orientation, the recipe's spacing, robust z-score.
        turned: the source's geometry in that orientation.
        orientation: how the source's axes were swapped and flipped.
    """

    image: Volume
    turned: Geometry
    orientation: Orientation

    def restore(self, maps: Array) -> Array:
        """Bring (C, z, y, x) float maps on the recipe's grid back to the source's voxels."""
        native = probabilities_to(self.image.geometry, maps, self.turned)
        return self.orientation.back(native)


def prepare(volume: Volume, grid: Grid) -> Prepared:
    """Bring an image to one orientation, a recipe's spacing and a common grey scale."""
    turned, orientation = canonical(volume)
    on_grid = to_grid(turned, grid)
    image = on_grid.like(robust_zscore(on_grid.array))
    return Prepared(image, turned.geometry, orientation)


def prepare_labels(volume: Volume, grid: Grid) -> Volume:
    """Bring a label map the way :func:`prepare` brings its image."""
    return labels_to_grid(canonical(volume)[0], grid)
