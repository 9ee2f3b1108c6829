"""What is done: an account in the output folder, by which an interrupted run can go on.

One small file a case in ``OUT/.cmrseg/``, written after the case's own files lie in their places.
It holds a key (a digest of all that decides the result: the case's files, the weights, the options
and the version of cmrseg), the digest of every file written, and what the summary tells. A case is
done if the key is the same now and the files are still what they were. Files whose size, dates and
place on the disk are those of their last digest are not read again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from cmrseg.cases.case import Case, ImageSource, Result
from cmrseg.cases.staging import OUTPUT, plain_words
from cmrseg.cases.summary import record, to_json
from cmrseg.cases.trust import inside, own_file, refuse_link
from cmrseg.models.bundle import sha256

FOLDER = ".cmrseg"
UNDER_WAY = ".under-way"


@dataclass(slots=True)
class Ledger:
    """The account of one output folder.

    Attributes:
        output_dir: the output folder.
        settings: all that changes a result beside the images; JSON-ready.
        resume: whether cases that are done are taken as they are.
    """

    output_dir: Path
    settings: Mapping[str, Any]
    resume: bool = False
    _keys: dict[str, str | None] = field(default_factory=dict)
    _read: dict[str, Digests] = field(default_factory=dict)

    def open(self) -> None:
        """Make the account's folder before several runs (shards) want to.

        Raises:
            OutputError: it cannot be made.
        """
        with plain_words(OUTPUT):
            refuse_link(self.output_dir / FOLDER)
            (self.output_dir / FOLDER).mkdir(exist_ok=True)

    def done(self, case: Case) -> Result | None:
        """What an earlier run found, if it is whole and would come out the same."""
        page = self._page(case.id)
        digests = self._read[case.id] = Digests(page.get("read") if self.resume else None)
        # Taken before the images are used, so that one changed meanwhile is not thought done.
        key = self._keys[case.id] = self._key(case, digests)
        whole = self.resume and key is not None and page.get("key") == key
        if not whole or not self._whole(page, digests):
            return None
        told = page["result"]
        del self._read[case.id]
        try:
            return Result(
                measures=dict(told["measures"]),
                computed=dict(told["computed"]),
                timings_s=dict(told["timings_s"]),
                warnings=tuple(map(str, told["warnings"])),
                review=tuple(map(str, told["review"])),
                notes=tuple(map(str, told["notes"])),
                masks=dict(told["masks"]),
            )
        except (KeyError, TypeError, ValueError):  # somebody else wrote that
            return None

    def under_way(self, case: Case) -> AbstractContextManager[None]:
        """Within this block a note says that the case is being computed."""
        return noted(self.path(case.id).with_suffix(UNDER_WAY))

    def was_killed(self, case: Case) -> bool:
        """Whether a run that is gone on with was killed at this case; told once."""
        return self.resume and was_killed(self.path(case.id).with_suffix(UNDER_WAY))

    def note(self, case: Case, result: Result, files: Iterable[PurePath]) -> None:
        """Write down that a case is done; one whose images did not all succeed is not.

        Raises:
            OutputError: the account cannot be written.
        """
        key = self._keys.pop(case.id, None)
        digests = self._read.pop(case.id, Digests())
        with plain_words(OUTPUT):
            page = {
                "case": case.id,
                "key": None if result.failed else key,
                "files": {str(path): digests.of(self.output_dir / path) for path in files},
                "read": digests.seen,
                "result": record(case.id, result),
            }
            path = self.path(case.id)
            handle, name = tempfile.mkstemp(dir=path.parent)  # follows no link
            partial = Path(name)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(to_json(page).encode("utf-8", "backslashreplace"))
                partial.chmod(0o644)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    def files(self, case_id: str) -> list[PurePath]:
        """What an earlier run wrote for a case, relative to the output folder."""
        files = self._page(case_id).get("files", {})
        return [path for path in map(PurePath, files) if inside(path)]

    def strike(self, case_id: str) -> None:
        """Forget a case."""
        self.path(case_id).unlink(missing_ok=True)

    def path(self, case_id: str) -> Path:
        """Where a case's entry lies."""
        # Names may be too long for an ending, and need not be valid text.
        name = hashlib.sha256(os.fsencode(case_id)).hexdigest()[:32]
        return self.output_dir / FOLDER / f"{name}.json"

    def _page(self, case_id: str) -> Mapping[str, Any]:
        """A case's entry; empty if there is none that can be read."""
        path = own_file(self.output_dir, self.path(case_id).relative_to(self.output_dir))
        try:
            page = json.loads(path.read_bytes()) if path else {}
        except (OSError, ValueError, RecursionError):
            return {}
        sound = isinstance(page, dict) and isinstance(page.get("files"), dict)
        return page if sound else {}

    def _whole(self, page: Mapping[str, Any], digests: Digests) -> bool:
        """Whether the files are there as they were written."""
        try:
            return all(
                (path := own_file(self.output_dir, PurePath(name))) and digests.of(path) == digest
                for name, digest in page["files"].items()
            )
        except OSError:
            return False

    def _key(self, case: Case, digests: Digests) -> str | None:
        """A digest of all that decides a case's result; None if it has images nobody can digest."""
        try:
            images = {role: list(_digests(source, digests)) for role, source in case.images.items()}
        except (OSError, ValueError):
            return None
        told = {"settings": self.settings, "images": images, "warnings": case.warnings}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


class Digests:
    """SHA-256 of files, each read but once as long as nobody touches it.

    A file is known by a digest of its path, and is the same if its size, number on the disk, and
    dates of content and entry are: whoever changes a file changes the last one.

    Args:
        known: what :attr:`seen` was in an earlier run; anything else is not believed.
    """

    def __init__(self, known: object = None) -> None:
        self.known = known if isinstance(known, dict) else {}
        self.seen: dict[str, list[int | str]] = {}

    def of(self, path: Path) -> str:
        """The file's digest.

        Raises:
            OSError: it cannot be read.
        """
        status = path.stat()
        mark = [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
        # Paths may name patients.
        name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
        former = self.known.get(name)
        if isinstance(former, list) and former[:-1] == mark and isinstance(former[-1], str):
            digest = former[-1]
        else:
            digest = sha256(path)
        self.seen[name] = [*mark, digest]
        return digest


def _digests(source: ImageSource, digests: Digests) -> Iterator[str | int | None]:
    """The frame, and the digest of every file that an image is made of."""
    yield source.frame
    if source.path.is_dir():
        for path in sorted(source.path.iterdir()):
            if path.is_file():
                yield digests.of(path)
        return
    if not source.path.is_file():
        raise ValueError("no regular file")
    yield digests.of(source.path)
    if source.path.suffix.lower() == ".mhd":
        yield digests.of(source.path.parent / _data_file(source.path))


def _data_file(header: Path) -> str:
    """The one file in which an MHD header says its voxels lie.

    Raises:
        ValueError: they lie in several, or the header does not say.
    """
    lines = header.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    told = [line.partition("=")[2].strip() for line in lines if line.startswith("ElementDataFile")]
    name = told[0].split()[0] if told and told[0].split() else ""
    if name == "LOCAL":
        return header.name
    if not name or name == "LIST" or "%" in name:
        raise ValueError("several files")
    return told[0]


@contextmanager
def noted(path: Path) -> Iterator[None]:
    """Within this block a note says that the case is under way.

    It goes with the block, an exception included; it stays if the process is killed. Where it
    cannot be written or locked, there is none.

    Args:
        path: of the note.
    """
    handle = -1
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if handle >= 0:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            os.close(handle)


def was_killed(path: Path) -> bool:
    """Whether a run was killed while this note's case was under way; the note then goes."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except OSError:
        return False  # another run is at it now
    finally:
        os.close(handle)
    return True
