"""Small images, a fake recipe that really looks at them, and a look at what was left behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cmrseg.cases.case import Case, Prediction, Result
from cmrseg.imaging.read import check_image, read
from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.imaging.write import write

SPACING_MM = (9.0, 1.3, 1.7)


def image(seed: int = 0, shape: tuple[int, int, int] = (3, 12, 10)) -> Volume:
    """Noise with a bright, lopsided block, on tilted voxels away from the origin."""
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 200, shape).astype(np.int16)
    array[:, 2:7, 1:5] += 700
    array[-1, 5:7, 3:5] += 700
    cos, sin = np.cos(0.3), np.sin(0.3)
    tilt = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    geometry = Geometry(shape, SPACING_MM, (-20.0, 31.5, 7.25), tilt[:, ::-1].copy())
    return Volume(array, geometry)


def save(path: Path, seed: int = 0) -> Volume:
    """Put an image at ``path``; returns it as it reads back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(image(seed), path)
    return read(path)


def expected(volume: Volume) -> np.ndarray:
    """The labels that ``threshold`` finds."""
    return np.digitize(volume.array, (500, 800, 1300)).astype(np.uint8)


def threshold(case: Case) -> Result:
    """A recipe whose labels are grey levels: a misplaced mask shows."""
    predictions = {}
    for role, source in case.images.items():
        volume = read(source.path, source.frame)
        check_image(volume)
        variance = (volume.array / 1000).astype(np.float32)
        predictions[role] = Prediction(
            volume.like(expected(volume)), {"variance": volume.like(variance)}
        )
    volumes = {role: float((p.mask.array > 0).sum()) for role, p in predictions.items()}
    return Result(predictions, {"volume_ml": volumes}, {"network": 0.5})


def tree(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


@contextmanager
def tmpfs(where: Path, options: str) -> Iterator[Path]:
    """A small file system of its own; skips the test where mounting is not allowed."""
    where.mkdir(parents=True, exist_ok=True)
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(where)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)
