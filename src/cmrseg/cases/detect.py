"""Which contract an input folder asks for."""

from __future__ import annotations

from pathlib import Path

from cmrseg.cases.base import FileContract
from cmrseg.cases.bids import BidsContract
from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.cases.emidec import EmidecContract, holds_cases
from cmrseg.cases.folder import FolderContract
from cmrseg.cases.folders import entries, readable, same_folder
from cmrseg.cases.grand_challenge import GrandChallengeContract
from cmrseg.cases.mnms2 import Mnms2Contract, holds_patients
from cmrseg.cases.nnunet import NnunetContract
from cmrseg.cases.staging import prepare_output
from cmrseg.runtime.errors import InputError, UsageError

# In the order in which they are tried: the plain folder takes what the others leave.
CONTRACTS: dict[str, type[FileContract]] = {
    contract.name: contract
    for contract in (
        GrandChallengeContract,
        EmidecContract,
        Mnms2Contract,
        NnunetContract,
        BidsContract,
        FolderContract,
    )
}


def open_contract(
    challenge: Challenge,
    input_dir: str | Path,
    output_dir: str | Path,
    name: str | None = None,
    *,
    labels: str | None = None,
    sockets: str | Path | None = None,
    frame: int | None = None,
) -> FileContract:
    """The contract for an input folder, its output folder proven to be writable.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        input_dir: folder of cases.
        output_dir: folder for results; made if need be.
        name: a key of ``CONTRACTS``; None to find out from what lies in the input folder.
        labels: label code, see ``ChallengeSpec.codes``; None for the contract's usual one.
        sockets: a Grand Challenge socket table, see ``sockets.py``.
        frame: which frame of the cines in a plain folder, from 0.

    Raises:
        UsageError: an unknown challenge, name or label code; a name that contradicts the
            challenge; an output folder that is the input folder.
        InputError: the input folder is missing, empty or of no known layout.
        OutputError: the output folder cannot be written.
    """
    if challenge not in SPECS:
        raise UsageError(f"challenge '{challenge}' is unknown", f"use one of: {', '.join(SPECS)}")
    source, target = Path(input_dir), Path(output_dir)
    with readable("the input folder"):
        try:
            _check_input(source)
            kind = _named(name, challenge, source) if name else _detected(challenge, source)
        except InputError as error:
            if _looks_like_input(challenge, target):
                raise InputError(error.problem, "are INPUT and OUTPUT swapped?") from error
            raise
        _check_apart(source, target)
    contract: FileContract
    if issubclass(kind, GrandChallengeContract):
        table = Path(sockets) if sockets else None
        contract = kind(challenge, source, target, labels=labels, sockets=table)
    elif sockets:
        raise UsageError(f"contract '{kind.name}' has no sockets", "leave the socket table out")
    else:
        contract = kind(challenge, source, target, labels=labels)
    if isinstance(contract, FolderContract):
        contract.frame = frame
    elif frame is not None:
        raise UsageError(
            f"contract '{kind.name}' takes no frame",
            "frames are for plain folders; a socket table names its own",
        )
    prepare_output(target)
    return contract


def _named(name: str, challenge: Challenge, source: Path) -> type[FileContract]:
    fitting = [key for key, kind in CONTRACTS.items() if challenge in kind.challenges]
    if name not in fitting:
        raise UsageError(
            f"contract '{name}' is none of {challenge}'s", f"use one of: {', '.join(fitting)}"
        )
    if not CONTRACTS[name].recognises(source):
        raise _unrecognised([CONTRACTS[name]])
    return CONTRACTS[name]


def _detected(challenge: Challenge, source: Path) -> type[FileContract]:
    fitting = [kind for kind in CONTRACTS.values() if challenge in kind.challenges]
    for kind in fitting:
        if kind.recognises(source):
            return kind
    for kind in CONTRACTS.values():
        if kind not in fitting and kind.recognises(source):
            raise InputError(
                f"the input folder holds {kind.looked_for}, but the recipe is {challenge}",
                f"use the recipe {kind.challenges[0]}",
            )
    raise _unrecognised(fitting)


def _unrecognised(tried: list[type[FileContract]]) -> InputError:
    return InputError(
        "the input folder holds nothing that is known",
        f"looked for: {'; '.join(kind.looked_for for kind in tried)}",
    )


def _check_input(source: Path) -> None:
    if not source.exists():
        raise InputError("the input folder does not exist", "check the path and the mount")
    if not source.is_dir():
        raise InputError("the input is a file", "give the folder that the image lies in")
    if not entries(source):
        raise InputError("the input folder is empty", "put cases there, or check the mount")


def _looks_like_input(challenge: Challenge, target: Path) -> bool:
    """Whether the output folder holds cases, and no run has written there."""
    if not target.is_dir() or (target / "summary.json").exists():
        return False
    return any(
        kind.recognises(target) for kind in CONTRACTS.values() if challenge in kind.challenges
    )


def _check_apart(source: Path, target: Path) -> None:
    """An EMIDEC result is called like the expert's labels: never write among the inputs."""
    if same_folder(source, target) or (
        target.is_dir() and (holds_cases(target) or holds_patients(target))
    ):
        raise UsageError("the output folder holds input images", "give another output folder")
