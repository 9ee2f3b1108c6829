"""Files on their way out: staged, verified, and moved in whole or not at all.

1. Every file of a case is written below a fresh folder of the system's temporary directory
   (``TMPDIR`` is honoured), outside the output folder.
2. Every file is read again: a volume must lie on the voxels of the input image, hold only the
   allowed labels (a mask) or finite numbers (a map), and equal what was meant to be written.
3. The verified files are copied into a hidden folder of the output folder, because a rename is
   only atomic within one file system, and flushed to the disk.
4. They are renamed into place: a folder that does not exist yet arrives as a whole; a file that
   exists is replaced in one step and put back if a later file of the case cannot be placed.

So a reader of the output folder never sees half a file, and a failure leaves what was there before.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from cmrseg.cases.trust import refuse_link
from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.imaging.write import write
from cmrseg.runtime.errors import CmrsegError, OutputError

HIDDEN = ".cmrseg-"
JUST_MADE_S = 2.0
"""A folder younger than this may not be locked yet."""
NOWHERE = (errno.EROFS, errno.EACCES, errno.EPERM)
"""What comes of making a folder in a container where none was mounted."""
OUTPUT, TEMPORARY = "the output folder", "the temporary folder"


class OutputGoneError(OutputError):
    """The output folder takes nothing more (full, or mounted read-only): no case can follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One file to put below the output folder.

    Attributes:
        path: where, relative to the output folder.
        what: what it is, for messages ("SA_ED mask").
        content: a volume, text, bytes, or text part by part.
        like: voxels the volume must lie on: those of the input image.
        labels: the values a mask may hold; None for a map.
    """

    path: PurePath
    what: str
    content: Volume | str | bytes | Iterable[str]
    like: Geometry | None = None
    labels: frozenset[int] | None = None


def deliver(pieces: Iterable[Piece], output_dir: Path) -> None:
    """Write all ``pieces`` below ``output_dir``, or none of them; each is asked for in its turn.

    Raises:
        OutputError: a file could not be written or verified; nothing was changed.
        OutputGoneError: the output folder is full or mounted read-only; nothing was changed.
    """
    with ExitStack() as last:
        with plain_words(TEMPORARY):
            stage = last.enter_context(_temporary_folder("cmrseg-"))
        for piece in pieces:
            _stage(piece, stage)
        with plain_words(OUTPUT):
            _move_in(stage, output_dir)


def prepare_output(output_dir: Path) -> None:
    """Make the output folder if need be, and prove that files can be staged and put there.

    Raises:
        OutputError: it, or the temporary folder, cannot be made or written to.
    """
    with plain_words(TEMPORARY), _temporary_folder("cmrseg-") as stage:
        (stage / "probe").write_bytes(b"cmrseg")
    with plain_words(OUTPUT):
        try:
            output_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno not in NOWHERE or output_dir.exists():
                raise
            raise OutputGoneError(
                f"{OUTPUT} does not exist, and user {os.getuid()} cannot make it there",
                "make it, or mount it: docker run -v OUT:/output",
            ) from error
        _clean(output_dir)
        with _temporary_folder(HIDDEN, output_dir) as hidden:
            (hidden / "probe").write_bytes(b"cmrseg")
            _flush(hidden / "probe")


@contextmanager
def plain_words(place: str) -> Iterator[None]:
    """Turn the operating system's errors about ``place`` into an ``OutputError`` for people."""
    try:
        yield
    except OSError as error:
        raise _explained(error, place) from error


def _explained(error: OSError, place: str) -> OutputError:
    reason = error.strerror or type(error).__name__
    if place == TEMPORARY:
        return OutputError(
            f"{place} cannot be used ({reason})",
            "point TMPDIR to a writable folder with free space",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputGoneError(f"the disk of {place} is full", "free some space and run again")
    if error.errno == errno.EROFS:
        return OutputGoneError(f"{place} is read-only", "mount it writable (no ':ro')")
    if error.errno in (errno.EACCES, errno.EPERM):
        return OutputError(
            f"{place} may not be written by user {os.getuid()}",
            f"give that user the right to write there (chown or chmod), or run as {place}'s owner",
        )
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return OutputError(
            f"in {place} a file stands where a folder has to be, or a folder where a file has to, "
            "or a link where a folder has to",
            "move it away, or choose another output folder",
        )
    return OutputError(
        f"{place} cannot be written ({reason})", "check that its disk is there and sound"
    )


def _stage(piece: Piece, stage: Path) -> None:
    """Write one file below the staging folder and verify it."""
    path = stage / piece.path
    with plain_words(TEMPORARY):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(piece.content, Volume):
            content = piece.content
            if isinstance(content, bytes):
                path.write_bytes(content)
                return
            # File names need not be valid text; escaped, they are still told.
            with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
                stream.writelines([content] if isinstance(content, str) else content)
            return
        try:
            write(piece.content, path)
            again = read(path)
        except CmrsegError as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from None
            if shutil.disk_usage(stage).free < piece.content.array.nbytes:
                # ITK reports a full disk in its own words, or not at all.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            problem = f"could not be written and read again ({error.problem})"
            raise _unverified(piece, problem) from error
    _verify(piece, piece.content, again)


def _verify(piece: Piece, meant: Volume, again: Volume) -> None:
    """Compare a file as read again with what it was meant to be."""
    if piece.like is not None and not again.geometry.same_as(piece.like):
        raise _unverified(piece, "does not lie on the voxels of its input image")
    if piece.labels is not None:
        foreign = sorted(set(np.unique(again.array).tolist()) - piece.labels)
        if foreign:
            raise _unverified(
                piece, f"holds the values {foreign}, allowed are {sorted(piece.labels)}"
            )
    elif not np.isfinite(again.array).all():
        raise _unverified(piece, "holds voxels that are not finite numbers")
    if not np.array_equal(again.array, meant.array):
        raise _unverified(piece, "does not read back as it was written")


def _unverified(piece: Piece, problem: str) -> OutputError:
    return OutputError(
        f"{piece.what} {problem}",
        "nothing was written for this case; please report it as an internal error",
    )


def _move_in(stage: Path, output_dir: Path) -> None:
    """Bring a staged tree into the output folder, all of it or nothing."""
    output_dir.mkdir(parents=True, exist_ok=True)
    with _temporary_folder(HIDDEN, output_dir) as hidden, ExitStack() as undo:
        arrivals, replaced = hidden / "new", hidden / "old"
        replaced.mkdir()
        for source in sorted(path for path in stage.rglob("*") if path.is_file()):
            arrival = arrivals / source.relative_to(stage)
            arrival.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, arrival)
            _flush(arrival)
        _place(arrivals, output_dir, replaced, undo)
        _flush(output_dir)
        undo.pop_all()


def _place(arrivals: Path, target_dir: Path, replaced: Path, undo: ExitStack) -> None:
    """Rename what lies in ``arrivals`` into ``target_dir``, keeping a way back for each step."""
    for arrival in sorted(arrivals.iterdir()):
        target = target_dir / arrival.name
        if arrival.is_dir():
            refuse_link(target)
        if not os.path.lexists(target) and _renamed(arrival, target):
            # Registered after the rename: what another process put there must never be undone.
            undo.callback(shutil.rmtree if target.is_dir() else Path.unlink, target)
        elif arrival.is_dir() and target.is_dir():
            _place(arrival, target, replaced, undo)
            _flush(target)
        elif arrival.is_dir() or target.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        else:
            former = replaced / str(len(list(replaced.iterdir())))
            _keep(target, former)
            undo.callback(former.replace, target)
            arrival.replace(target)


def _renamed(arrival: Path, target: Path) -> bool:
    """Whether it came to a place that was free; another run may have made the folder meanwhile."""
    try:
        arrival.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _keep(target: Path, former: Path) -> None:
    """A second name for a file about to be replaced; a copy where no hard links exist."""
    try:
        os.link(target, former, follow_symlinks=False)
    except OSError:
        shutil.copy2(target, former, follow_symlinks=False)


@contextmanager
def _temporary_folder(prefix: str, where: Path | None = None) -> Iterator[Path]:
    """A fresh folder, removed at the end; in the system's temporary directory unless told."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=where))
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _clean(output_dir: Path) -> None:
    """Remove hidden folders of runs that were killed; those at work hold a lock on theirs."""
    for folder in output_dir.glob(f"{HIDDEN}*"):
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(handle).st_mtime > JUST_MADE_S:
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def _flush(path: Path) -> None:
    """Make a file or a folder's entries durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        # Some network file systems know no fsync of a folder; a file's failure is real.
        if not path.is_dir():
            raise
    finally:
        os.close(handle)
