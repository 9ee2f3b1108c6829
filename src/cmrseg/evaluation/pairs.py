"""Finding the predictions that belong to the truths, by name, in the challenges' folders.

EMIDEC (role ``LGE``)::

    TRUTH/Case_X/Contours/Case_X.nii.gz
    PREDICTIONS/Case_X/Contours/Case_X.nii.gz       or flat: PREDICTIONS/Case_X.nii.gz

M&Ms-2 (roles ``SA_ED``, ``SA_ES``, ``LA_ED``, ``LA_ES``)::

    TRUTH/<id>/<id>_SA_ED_gt.nii.gz
    PREDICTIONS/<id>/<id>_SA_ED_pred.nii.gz

Both folders may hold the layout one level deeper (``emidec-dataset-1.0.1/``, ``dataset/``), as the
organisers' archives unpack.

Where neither lies there, and a caller wants it, any image files do, by the names that
:mod:`cmrseg.cases.names` knows: ``p7_SA_ED_seg.nii.gz``, nnU-Net's ``x.nii.gz``, BIDS'
``sub-1_acq-SAX_desc-cine_dseg.nii.gz``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cmrseg.cases.challenge import EMIDEC, MNMS2, Challenge
from cmrseg.cases.names import bare, case_and_role, is_mask, split_format
from cmrseg.runtime.errors import InputError, UsageError

Index = dict[str, dict[str, Path]]
"""Case -> role -> file."""

MAPS = ("uncertainty", "report")
"""Folders beside masks that hold none."""
LOOKED_FOR = {
    (EMIDEC.name, "truth"): "Case_X/Contours/Case_X.nii.gz",
    (EMIDEC.name, "predictions"): "Case_X/Contours/Case_X.nii.gz or Case_X.nii.gz",
    (MNMS2.name, "truth"): "<id>/<id>_SA_ED_gt.nii.gz and so on",
    (MNMS2.name, "predictions"): "<id>/<id>_SA_ED_pred.nii.gz and so on",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What can be compared, and what cannot for lack of the other half.

    Attributes:
        found: case -> role -> (prediction, truth).
        missing: truths without a prediction: "Case_X", "012" or "012 LA_ED".
        extra: predictions without a truth, named likewise.
    """

    found: Mapping[str, Mapping[str, tuple[Path, Path]]]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def find_pairs(challenge: Challenge, predictions_dir: Path, truth_dir: Path) -> Pairs:
    """Pair the predictions with the truths.

    Raises:
        InputError: a folder is missing, cannot be read or holds nothing of the challenge; or no
            prediction has a truth.
    """
    truths = index(challenge, "truth", truth_dir, by_name=True)
    predictions = index(challenge, "predictions", predictions_dir, by_name=True)
    found = {}
    for case, roles in truths.items():
        there = predictions.get(case, {})
        both = {role: (there[role], path) for role, path in roles.items() if role in there}
        if both:
            found[case] = both
    if not found:
        raise InputError(
            f"no prediction has the name of one of the {len(truths)} cases in the truth folder",
            "name the predictions' cases as the truth names them",
        )
    return Pairs(
        found=found,
        missing=lacking(truths, predictions),
        extra=lacking(predictions, truths),
    )


def lacking(wanted: Index, there: Index) -> tuple[str, ...]:
    """What of ``wanted`` is not ``there``: a case's name, or the case and the role."""
    names: list[str] = []
    for case, roles in wanted.items():
        if case not in there:
            names.append(case)
        else:
            names += [f"{case} {role}" for role in roles if role not in there[case]]
    return tuple(names)


def index(
    challenge: Challenge,
    which: Literal["truth", "predictions"],
    folder: Path,
    *,
    by_name: bool = False,
) -> Index:
    """The images in a folder of truths or of predictions, by case and role.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        which: what the folder holds.
        folder: where to look.
        by_name: take any image files where the challenge's layout is not there.

    Raises:
        InputError: it is missing, cannot be read or holds nothing of the challenge.
        UsageError: it holds the other of the two.
    """
    if not folder.is_dir():
        raise InputError(f"the {which} folder does not exist", "check its path")
    try:
        if challenge == MNMS2.name:
            ending = "gt" if which == "truth" else "pred"
            found = _here_or_below(folder, lambda root: _mnms2(root, ending))
        else:
            found = _here_or_below(folder, _emidec)
            if not found and which == "predictions":
                found = _flat(folder)
        if not found and by_name:
            found = _any(challenge, which, folder)
    except OSError as error:
        raise InputError(
            f"the {which} folder cannot be read ({error.strerror or type(error).__name__})",
            "check that it is mounted and may be read",
        ) from error
    if not found:
        raise InputError(
            f"the {which} folder holds no labels of {challenge}",
            f"looked for {LOOKED_FOR[challenge, which]}",
        )
    return found


def _here_or_below(folder: Path, index_of: Callable[[Path], Index]) -> Index:
    """The layout in ``folder``, else the one in the only subfolder that holds it."""
    here = index_of(folder)
    if here:
        return here
    below = [index for path in _subfolders(folder) if (index := index_of(path))]
    if len(below) > 1:
        raise InputError(
            f"{len(below)} subfolders hold data sets of the same layout", "evaluate each by itself"
        )
    return below[0] if below else {}


def _emidec(root: Path) -> Index:
    paths = {path.name: path / "Contours" / f"{path.name}.nii.gz" for path in _subfolders(root)}
    return {case: {"LGE": path} for case, path in paths.items() if path.is_file()}


def _flat(root: Path) -> Index:
    files = [path for path in sorted(root.iterdir()) if path.is_file()]
    named = {path: re.fullmatch(r"([^.].*)\.nii(\.gz)?", path.name) for path in files}
    index = {match[1]: {"LGE": path} for path, match in named.items() if match}
    # Case_X_variance beside Case_X is a map of that case and no case of its own
    maps = {name for name in index for case in index if name.startswith(f"{case}_")}
    return {case: roles for case, roles in index.items() if case not in maps}


def _any(challenge: Challenge, which: str, folder: Path) -> Index:
    """Every mask below a folder by its name; those that say so, if any do."""
    files = {path: split_format(path.name)[0] for path in _image_files(folder)}
    other = {"truth": "_pred", "predictions": "_gt"}[which]
    masks = {path: stem for path, stem in files.items() if is_mask(stem)}
    if masks and all(stem.endswith(other) for stem in masks.values()):
        raise UsageError(
            f"the {which} folder holds masks called ...{other}",
            "give PREDICTIONS first and TRUTH second: are they swapped?",
        )
    stems = set(files.values())
    index: Index = {}
    for path, stem in (masks or files).items():
        if not masks and any(stem.startswith(f"{one}_") for one in stems):
            continue  # a map of a case, or a further channel
        case, role = case_and_role(challenge, bare(stem))
        if role in index.setdefault(case, {}):
            raise InputError(
                f"the {which} folder has two masks of {case} {role}", "leave one, or rename it"
            )
        index[case][role] = path
    return index


def _image_files(folder: Path, depth: int = 5) -> Iterator[Path]:
    """Image files below a folder, by name; not those in folders of maps."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.lower() in MAPS:
            continue
        if path.is_dir() and depth:
            yield from _image_files(path, depth - 1)
        elif path.is_file() and split_format(path.name)[1]:
            yield path


def _mnms2(root: Path, ending: str) -> Index:
    index: Index = {}
    for folder in _subfolders(root):
        for role in MNMS2.roles:
            path = folder / f"{folder.name}_{role}_{ending}.nii.gz"
            if path.is_file():
                index.setdefault(folder.name, {})[role] = path
    return index


def _subfolders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
