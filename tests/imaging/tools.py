"""Helpers that several imaging tests share."""

from __future__ import annotations

import numpy as np


def rotation(seed: int) -> np.ndarray:
    """A random right-handed orthonormal matrix."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.linalg.det(q)
