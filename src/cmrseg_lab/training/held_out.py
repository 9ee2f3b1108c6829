"""Who is out of fold for which network: the one place that all honest scores rest on.

A network's manifest entry lists digests of the patients it was trained on (``trained_on``), so that
no bundle names a patient and no split has to be made again to know who was held out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LENGTH = 12
"""Hexadecimal digits of a digest that are kept."""
SAME_PERSON = {"acdc/076": "acdc/074"}
"""Entries of a data set that are one scan: training on one is training on the other."""


def digest(source: str, patient: str) -> str:
    """What stands for a patient in a manifest.

    Args:
        source: the data set's name (``acdc``, ``mnms1``).
        patient: the patient's name in it.
    """
    name = f"{source}/{patient}"
    return hashlib.sha256(SAME_PERSON.get(name, name).encode()).hexdigest()[:LENGTH]


def digests(patients: Iterable[tuple[str, str]]) -> list[str]:
    """Sorted digests of (source, patient) pairs, each once."""
    return sorted({digest(*one) for one in patients})


def is_held_out(network: Mapping[str, Any], source: str, patient: str) -> bool:
    """Whether a network (its manifest entry) was never trained on a patient."""
    return digest(source, patient) not in network["training"]["trained_on"]


def by_networks(
    networks: Sequence[Mapping[str, Any]], source: str, patients: Iterable[str]
) -> dict[tuple[int, ...], list[str]]:
    """Patients by which networks were never trained on them.

    Args:
        networks: manifest entries.
        source: the patients' data set.
        patients: their names in it.

    Returns:
        Indices of networks -> patients; patients that every network was trained on are left out.
    """
    found: dict[tuple[int, ...], list[str]] = {}
    for patient in patients:
        own = tuple(i for i, n in enumerate(networks) if is_held_out(n, source, patient))
        if own:
            found.setdefault(own, []).append(patient)
    return found
