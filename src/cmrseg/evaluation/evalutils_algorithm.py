"""Our recipes behind evalutils' ``SegmentationAlgorithm``, for those who still build on it.

The images of this repository are not made of this (they speak the platform's sockets themselves,
with uncertainty and quality control). A container of one's own::

    from cmrseg.evaluation.evalutils_algorithm import CmrsegAlgorithm

    CmrsegAlgorithm("emidec").process()    # /input to /output/images and /output/results.json

What evalutils 0.4.2 gets wrong on a platform of today, and what is done here instead:

- it takes every file below ``/input`` for an image, those of all sockets alike: where there is
  ``/input/images``, only the role's socket is looked at, and its masks go to the output socket;
- it logs the names of files that are no images: nothing but images is opened;
- one image that cannot be used ends the run: the others are written, ``results.json`` says why in
  ``error_messages``, and the run ends with the error only then.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from evalutils import SegmentationAlgorithm
from evalutils.io import ImageLoader
from pandas import DataFrame

from cmrseg.cases.case import Case, ImageSource
from cmrseg.cases.challenge import Challenge
from cmrseg.cases.sockets import Socket, socket_table
from cmrseg.imaging.itk import from_itk, to_itk
from cmrseg.imaging.read import SUFFIXES, read
from cmrseg.imaging.write import write
from cmrseg.models import bundle
from cmrseg.run.predict import model
from cmrseg.runtime.errors import CmrsegError, InputError, UsageError


class ItkLoader(ImageLoader):
    """Our reader as evalutils wants it: SimpleITK images, headers mended where they need it."""

    @staticmethod
    def load_image(fname: Path) -> Any:
        """The SimpleITK image at a path.

        Raises:
            InputError: it cannot be read.
        """
        return to_itk(read(fname))

    @staticmethod
    def hash_image(image: Any) -> str:
        """Digest of the voxels."""
        return hashlib.sha256(from_itk(image).array.tobytes()).hexdigest()


class CmrsegAlgorithm(SegmentationAlgorithm):
    """One image in, its labels out; the networks are loaded once for all.

    Args:
        challenge: the recipe, ``emidec`` or ``mnms2``.
        role: which image of the recipe comes (mnms2: ``SA_ED``, ``SA_ES``, ``LA_ED``, ``LA_ES``);
            may be left out where there is one.
        weights: a bundle; None for the usual places (:mod:`cmrseg.models.bundle`).
        sockets: a socket table of one's own.
        input_path: the platform's ``/input``.
        output_path: where masks go; the socket's folder below it on a platform with sockets.
        output_file: evalutils' account of what was done.
        how: options of :func:`cmrseg.run.predict.model` (device, mirrors, ...).

    Raises:
        CmrsegError: the role or the weights cannot be used.
    """

    _output_path: Path

    def __init__(
        self,
        challenge: Challenge,
        *,
        role: str | None = None,
        weights: Path | None = None,
        sockets: Path | None = None,
        input_path: Path = Path("/input"),
        output_path: Path = Path("/output/images"),
        output_file: Path = Path("/output/results.json"),
        **how: Any,
    ) -> None:
        self.socket = _socket(challenge, role, sockets)
        self._segment = model(challenge, bundle.find(challenge, weights), **how).segment
        super().__init__(
            file_loaders={"input_image": ItkLoader()},
            validators={},
            input_path=input_path,
            output_path=output_path,
            output_file=output_file,
        )

    def process(self) -> None:
        """All images, each by itself.

        Raises:
            InputError: there is none, or some could not be segmented; the others are written.
        """
        super().process()
        told = [message for case in self._case_results for message in case["error_messages"]]
        if told:
            raise InputError(
                f"{len(told)} of {len(self._case_results)} images: {told[-1]}",
                "see error_messages in the results file",
            )

    def _load_cases(
        self, *, folder: Path, file_loader: ImageLoader, file_filter: Any = None
    ) -> DataFrame:
        """The images that are this role's; what cannot be read has no digest yet."""
        if (folder / "images").is_dir():
            folder = folder / "images" / self.socket.slug
            self._output_path = self._output_path / self.socket.mask
        paths = sorted(p for p in folder.rglob("*") if p.name.lower().endswith(SUFFIXES))
        if not paths:
            raise InputError(
                f"there is no image for {self.socket.role}", f"give one of {', '.join(SUFFIXES)}"
            )
        self._output_path.mkdir(parents=True, exist_ok=True)
        return DataFrame({"path": paths})

    def _load_input_image(self, *, case: Any) -> tuple[Any, Path]:
        return self._file_loaders["input_image"].load_image(case["path"]), case["path"]

    def process_case(self, *, idx: int, case: Any) -> dict[str, list[Any]]:
        """One image; what is wrong with it stands in ``error_messages``."""
        try:
            done: dict[str, list[Any]] = super().process_case(idx=idx, case=case)
        except CmrsegError as error:
            given = [{"type": "metaio_image", "filename": case["path"].name}]
            return {"outputs": [], "inputs": given, "error_messages": [str(error)]}
        return done

    def predict(self, *, input_image: Any) -> Any:
        """Labels (UInt8) of a SimpleITK image, on its own voxels.

        Raises:
            CmrsegError: the image cannot be segmented.
        """
        role = self.socket.role
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "image.mha"
            write(from_itk(input_image), path)
            result = self._segment(Case("image", {role: ImageSource(path)}, "the image"))
        if role not in result.predictions:
            raise result.failed.get(role) or InputError(
                result.error or f"{role}: there is no mask", "look at the image"
            )
        return to_itk(result.predictions[role].mask)


def _socket(challenge: Challenge, role: str | None, table: Path | None) -> Socket:
    sockets = {socket.role: socket for socket in socket_table(challenge, table).sockets}
    if role is None and len(sockets) == 1:
        (role,) = sockets
    if role not in sockets:
        raise UsageError(f"{challenge} has no image {role}", f"name one of {', '.join(sockets)}")
    return sockets[role]
