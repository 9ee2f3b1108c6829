"""Who is out of fold for which network: the one place that all honest scores rest on.

A network's manifest entry lists digests of the patients it was trained on (``trained_on``), so that
no bundle names a patient and no split has to be made again to know who was held out. Networks
packed before that say which fold of how many they held out; then the split is made again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cmrseg_lab.training.sources import is_synthetic, learned_from, patients_of

LENGTH = 12
"""Hexadecimal digits of a digest that are kept."""
SAME_PERSON = {"acdc/076": "acdc/074"}
"""Entries of a data set that are one scan: training on one is training on the other."""
FOLD_SEED = 2026
"""One split for every network, so that out-of-fold scores stay comparable."""
Entry = Mapping[str, Any]
"""A network's entry in the manifest."""


def digest(source: str, patient: str) -> str:
    """What stands for a patient in a manifest, whatever was made of the patient's images.

    Args:
        source: the data set's name (``acdc``, ``acdc-reformatted``).
        patient: the patient's name in it.
    """
    name = f"{patients_of(source) or source}/{patient}"
    return hashlib.sha256(SAME_PERSON.get(name, name).encode()).hexdigest()[:LENGTH]


def digests(patients: Iterable[tuple[str, str]]) -> list[str]:
    """Sorted digests of (source, patient) pairs, each once."""
    return sorted({digest(*one) for one in patients})


def deal(groups: Mapping[str, str], folds: int, seed: int = FOLD_SEED) -> dict[str, int]:
    """Patient -> fold, every group dealt out evenly.

    Args:
        groups: patient -> group. Keys ``source/patient`` let entries that are one scan stay
            together.
        folds: number of folds.
        seed: decides who sits where; the order of ``groups`` does not matter.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for patient in sorted(groups):
        if SAME_PERSON.get(patient) not in groups:
            members[groups[patient]].append(patient)
    rng, seat, dealt = np.random.default_rng(seed), 0, {}
    for group in sorted(members):
        for index in rng.permutation(len(members[group])):
            dealt[members[group][index]] = seat % folds
            seat += 1
    return dealt | {
        one: dealt[same] for one, same in SAME_PERSON.items() if one in groups.keys() - dealt
    }


def is_held_out(network: Entry, source: str, patient: str, groups: Mapping[str, str]) -> bool:
    """Whether a network was never trained on a patient.

    Args:
        network: its manifest entry.
        source: the patient's data set.
        patient: the patient's name in it.
        groups: every patient of that data set -> disease, to make an old split again.
    """
    training = network["training"]
    earlier = training.get("started_from", {})
    # Networks of the first bundles started from such of the same fold, which is not told again.
    if "fold" in earlier and not is_held_out({"training": earlier}, source, patient, groups):
        return False
    if "trained_on" in training:
        return digest(source, patient) not in training["trained_on"]
    sources = learned_from(training)
    if is_synthetic(source):
        # Beside real hearts, synthetic ones were never held out.
        if not all(map(is_synthetic, sources)):
            return source not in sources
    elif patients_of(source) not in {patients_of(name) for name in sources}:
        return True
    if training["fold"] is None:
        return False
    dealt = deal(groups, training["folds"], training["fold_seed"])
    return bool(dealt[patient] == training["fold"])


def by_networks(
    networks: Sequence[Entry], source: str, groups: Mapping[str, str]
) -> dict[tuple[int, ...], list[str]]:
    """Patients by which networks were never trained on them.

    Args:
        networks: manifest entries.
        source: the patients' data set.
        groups: patient -> disease.

    Returns:
        Indices of networks -> patients; patients that every network was trained on are left out.
    """
    found: dict[tuple[int, ...], list[str]] = {}
    for patient in groups:
        own = tuple(i for i, n in enumerate(networks) if is_held_out(n, source, patient, groups))
        if own:
            found.setdefault(own, []).append(patient)
    return found
