"""A bundle whose quality control judges masks: for tests of several rooms."""

from __future__ import annotations

from pathlib import Path

from cmrseg.models import bundle
from cmrseg.quality.selection import Fences
from cmrseg_lab.training.pack import pack, record_quality
from tiny import make_autoencoder, make_checkpoint, quality_entry

ALWAYS = Fences(th_low=0.0, th_up_mm=999.0, measures=9)
"""Every mask is in range."""


def judging_bundle(folder: Path, fences: Fences = ALWAYS) -> bundle.Bundle:
    """Two short-axis candidates and an autoencoder, with these fences at ED and ES."""
    paths = [make_checkpoint(folder / str(seed), "mnms2-sa", seed=seed) for seed in (3, 4)]
    paths.append(make_autoencoder(folder / "qc", "mnms2-sa-qc"))
    out = pack("mnms2", paths, folder / "mnms2")
    record_quality(out, "mnms2-sa", quality_entry(SA_ED=fences, SA_ES=fences), None)
    return bundle.load(out, "mnms2")
