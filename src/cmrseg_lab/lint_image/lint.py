"""The command: static checks of an archive or an engine's image, then sample cases."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cmrseg.cases.challenge import SPECS, Challenge
from cmrseg.runtime.errors import EXIT_INPUT, EXIT_OK, InputError
from cmrseg_lab.lint_image import files as contents
from cmrseg_lab.lint_image import settings
from cmrseg_lab.lint_image.archive import Archive, Image, read_archive
from cmrseg_lab.lint_image.checks import Check, as_json, as_table, failed
from cmrseg_lab.lint_image.engine import Engine
from cmrseg_lab.lint_image.layers import GZIP, merged
from cmrseg_lab.lint_image.weights import find_bundles, weights

ASKED_NOT_TO = "asked not to run it (--static)"


def lint_image(
    image: str,
    *,
    challenge: Challenge | None = None,
    engine: str = "docker",
    static: bool = False,
    as_data: bool = False,
) -> int:
    """Check a submission and print what was found.

    Args:
        image: a tar or tar.gz written by ``docker save``, or a name that the engine knows.
        challenge: whose sockets and weights are expected; None to tell from the weights inside.
        engine: the container engine's command.
        static: leave out what needs containers to run.
        as_data: print JSON instead of a table.

    Returns:
        0 if no check failed, else 3.

    Raises:
        InputError: there is no such archive or image, or it cannot be read.
    """
    checks = list(checked(image, challenge=challenge, engine=Engine(engine), static=static))
    print(as_json(image, checks) if as_data else as_table(checks))
    names = failed(checks)
    if names:
        told = f"cmrseg: {len(names)} of {len(checks)} checks failed: {', '.join(names)}."
        print(told, file=sys.stderr)
    return EXIT_INPUT if names else EXIT_OK


def checked(
    image: str, *, challenge: Challenge | None, engine: Engine, static: bool
) -> Iterator[Check]:
    """Every check of an image, in the order in which they are made."""
    with _opened(image, engine) as stream:
        archive = read_archive(stream)
    yield settings.one_image(archive)
    if len(archive.images) != 1:
        return
    (only,) = archive.images
    yield from _static(only, challenge, _packed_bytes(image))
    yield from _dynamic(image, archive, challenge, engine, static)


def _static(image: Image, challenge: Challenge | None, file_bytes: int | None) -> Iterator[Check]:
    files = merged(image.layers)
    yield settings.layers_named(image)
    yield settings.platform(image)
    yield settings.user(image)
    yield settings.api_method(image)
    yield settings.entrypoint(image, files)
    yield settings.size(image, file_bytes)
    yield settings.image_labels(image)
    yield settings.spoken_secrets(image)
    yield contents.no_secrets(image, files)
    yield contents.no_repository(image, files)
    yield contents.no_patients(image, files)
    yield contents.no_pickles(image, files)
    yield contents.permissions(files)
    yield weights(image, files, challenge)


def _dynamic(
    image: str, archive: Archive, challenge: Challenge | None, engine: Engine, static: bool
) -> Iterator[Check]:
    from cmrseg_lab.lint_image.trial import skipped, trials

    chosen = challenge or _challenge_of(archive.images[0])
    reason = ASKED_NOT_TO if static else engine.problem()
    if reason is None and chosen is None:
        reason = "whose sockets? Give --challenge"
    if reason is not None or chosen is None:
        yield from skipped(str(reason))
        return
    with _runnable(image, archive.images[0], engine) as name:
        yield from trials(engine, name, chosen)


def _challenge_of(image: Image) -> Challenge | None:
    """The challenge of the only bundle inside."""
    found = {bundle.manifest["challenge"] for bundle in find_bundles(merged(image.layers))}
    known: tuple[Challenge, ...] = tuple(SPECS)
    fitting = [challenge for challenge in known if challenge in found]
    return fitting[0] if len(fitting) == 1 else None


@contextmanager
def _opened(image: str, engine: Engine) -> Iterator[BinaryIO]:
    """The archive, or what the engine saves."""
    path = Path(image)
    if path.is_file():
        with path.open("rb") as file:
            yield file
        return
    if problem := engine.problem():
        raise InputError(
            f"{image} is no file, and no engine can be asked for it ({problem})",
            "give a tar written by docker save, or start the engine",
        )
    with engine.saved(image) as stream:
        yield stream


@contextmanager
def _runnable(image: str, inside: Image, engine: Engine) -> Iterator[str]:
    """A name by which the engine runs the image; an archive is loaded, and removed again."""
    if not Path(image).is_file():
        yield image
        return
    known = f"sha256:{inside.config_digest}"
    if engine.has(known):
        yield known
        return
    name = engine.load(Path(image))
    try:
        yield name
    finally:
        engine.ask("image", "rm", name)


def _packed_bytes(image: str) -> int | None:
    """The size of a compressed archive; None for others."""
    path = Path(image)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return path.stat().st_size if file.read(2) == GZIP else None
