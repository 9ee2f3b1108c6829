"""Faults: what is put into an input or output folder, or done to a run, drawn from a generator."""

from __future__ import annotations

import gzip
import os
import re
import signal
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from cmrseg.imaging.itk import sitk, to_itk
from cmrseg.imaging.volume import Array, Volume
from cmrseg.imaging.write import write

T = TypeVar("T")

FORMATS = (".nii", ".nii.gz", ".mha", ".nrrd", "dicom")
NUMBERS = (*("0", "-1", "1", "7", "65535", "2147483647", "99999999999"), *("1e-30", "1e30", "nan"))
WORDS = (*NUMBERS, "", "inf -inf 0", "MET_OTHER", "/etc/passwd", "../x.raw", "LIST", "x" * 4000)
"""What stands in text headers instead of what belongs there."""
NIFTI_FIELDS = {
    **{f"dim[{i}]": (40 + 2 * i, "<h") for i in range(8)},
    "datatype": (70, "<h"),
    "bitpix": (72, "<h"),
    **{f"pixdim[{i}]": (76 + 4 * i, "<f") for i in range(5)},
    "vox_offset": (108, "<f"),
    "scl_slope": (112, "<f"),
    "scl_inter": (116, "<f"),
    "qform_code": (252, "<h"),
    "sform_code": (254, "<h"),
    **{f"quatern[{i}]": (256 + 4 * i, "<f") for i in range(3)},
    **{f"srow[{i}]": (280 + 4 * i, "<f") for i in range(12)},
    "magic": (344, "<h"),
}
"""Name -> offset and type of a field of a NIfTI header."""
EXTREMES = {
    "<h": (0, 1, -1, 4, 2047, 32767, -32768),
    "<f": (0.0, 1e-30, -1.0, 1e30, np.nan, np.inf, 0.1, 1000.0),
}
NAMES = (
    *(
        "-rf",
        "=1+1",
        "@SUM(1)",
        "a b",
        "ä ö",
        "日本",
        "x\ny",
        "<b>&amp;",
        "%s{0}",
        "con",
        "~",
        "$HOME",
    ),
    *("\x1b[31m", "a" * 180, "SA", "ED", "x..", "'q\"", "a\\b"),
)
"""Stems of file names."""
BOMB = 48 << 20
"""Bytes of zeros behind a packed image."""
HIDDEN = "kept.txt"
"""A file beside input and output that no run may touch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Under what a run works.

    Attributes:
        what: the fault in words.
        kill_at: share of a usual run's time after which it is ended.
        by: the signal that ends it.
        file_bytes: the longest file it may write.
        memory_bytes: that it may allocate beyond what it holds at its start.
        twice: whether two runs share the output folder.
    """

    what: str
    kill_at: float | None = None
    by: signal.Signals = signal.SIGKILL
    file_bytes: int | None = None
    memory_bytes: int | None = None
    twice: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFolders:
    """The folders of a trial, with the image that faults happen to.

    Attributes:
        folder: of the trial; ``in`` and ``out`` lie in it.
        image: as it is before the fault.
        stem: its name.
        role: what the name must tell; empty where it need not.
    """

    folder: Path
    image: Volume
    stem: str
    role: str

    @property
    def inputs(self) -> Path:
        """The input folder."""
        return self.folder / "in"

    @property
    def outputs(self) -> Path:
        """The output folder."""
        return self.folder / "out"

    def put(self, kind: str, stem: str | None = None, image: Volume | None = None) -> Path:
        """Write the image in a format; a file, or a folder of slices."""
        stem = self.stem if stem is None else stem
        path = self.inputs / (stem if kind == "dicom" else f"{stem}{kind}")
        if kind == "dicom":
            _write_slices(image or self.image, path)
        else:
            write(image or self.image, path)
        return path


Fault = Callable[[TrialFolders, np.random.Generator], Conditions]


def plain(scene: TrialFolders, rng: np.random.Generator) -> Conditions:
    """No fault at all."""
    kind = _one(rng, FORMATS)
    scene.put(kind)
    return Conditions(what=kind)


def wrong_bytes(scene: TrialFolders, rng: np.random.Generator) -> Conditions:
    """Bytes that are changed, taken away, or put in."""
    kind = _one(rng, FORMATS)
    path = scene.put(kind)
    if path.is_dir():
        path = _one(rng, sorted(path.iterdir()))
    raw = bytearray(path.read_bytes())
    how = _one(rng, ("changed", "cut", "inserted", "zeros behind", "empty"))
    # Headers are short: half of the places lie in there.
    end = len(raw) if rng.random() < 0.5 else min(len(raw), 700)
    places = sorted(rng.integers(0, end, rng.integers(1, 9)).tolist())
    if how == "changed":
        for place in places:
            raw[place] = rng.integers(256)
    elif how == "cut":
        del raw[places[0] :]
    elif how == "inserted":
        raw[places[0] : places[0]] = rng.bytes(int(rng.integers(1, 400)))
    elif how == "empty":
        raw.clear()
    else:
        raw += gzip.compress(bytes(BOMB)) if kind == ".nii.gz" else bytes(1000)
    path.write_bytes(raw)
    return Conditions(what=f"{kind}: {how} at {places}")


def wrong_headers(scene: TrialFolders, rng: np.random.Generator) -> Conditions:
    """A field of a header that holds what it never should."""
    kind = _one(rng, (".nii", ".nii.gz", ".mha", ".nrrd"))
    path = scene.put(kind)
    raw = path.read_bytes()
    if kind in (".mha", ".nrrd"):
        end = raw.index(b"LOCAL\n" if kind == ".mha" else b"\n\n")
        lines = raw[:end].decode().split("\n")
        number = int(rng.integers(1, len(lines)))
        key, between, value = re.findall(r"^([^=:]*)([=: ]*)(.*)", lines[number])[0]
        new = _one(rng, (*WORDS, f"{value} {_one(rng, NUMBERS)}", value[:-1]))
        lines[number] = f"{key}{between}{new}"
        path.write_bytes("\n".join(lines).encode() + raw[end:])
        return Conditions(what=f"{kind}: {key.strip()} is {new[:40]!r}")
    unpacked = bytearray(gzip.decompress(raw) if kind == ".nii.gz" else raw)
    field = _one(rng, tuple(NIFTI_FIELDS))
    offset, form = NIFTI_FIELDS[field]
    value = _one(rng, EXTREMES[form])
    struct.pack_into(form, unpacked, offset, value)
    path.write_bytes(gzip.compress(unpacked, 1) if kind == ".nii.gz" else unpacked)
    return Conditions(what=f"{kind}: {field} is {value}")


def wrong_values(scene: TrialFolders, rng: np.random.Generator) -> Conditions:
    """Grey values that no scanner makes."""
    values: Array = scene.image.array.astype(np.float32)
    some = rng.random(values.shape) < 0.01
    how = _one(
        rng, ("nan", "inf", "constant", "labels", "huge", "tiny", "noise", "one slice", "dark")
    )
    changed = {
        "nan": np.where(some, np.nan, values),
        "inf": np.where(some, np.inf, values),
        "constant": np.full_like(values, 7),
        "labels": (values > values.mean()).astype(np.float32),
        "huge": values * np.float32(1e35),
        "tiny": values * np.float32(1e-38),
        "noise": rng.normal(0, 1, values.shape).astype(np.float32),
        "one slice": values * (np.arange(len(values)) == 1)[:, None, None],
        "dark": -values,
    }[how]
    scene.put(_one(rng, FORMATS[:4]), image=scene.image.like(changed.astype(np.float32)))
    return Conditions(what=how)


def wrong_names(scene: TrialFolders, rng: np.random.Generator) -> Conditions:
    """Names that are options, markup, formulas, escapes, or long."""
    stem = _one(rng, NAMES)
    scene.put(_one(rng, FORMATS), stem=f"{stem}{scene.role}")
    return Conditions(what=repr(stem[:20]))


def links(scene: TrialFolders, rng: np.random.Generator) -> Conditions:
    """Links, pipes, devices and folders where files or folders should be."""
    kept = scene.folder / HIDDEN
    at_input: dict[str, Callable[[Path], None]] = {
        "link to an endless device": lambda p: p.symlink_to("/dev/zero"),
        "pipe": os.mkfifo,
        "link that leads nowhere": lambda p: p.symlink_to("nowhere"),
        "link to itself": lambda p: p.symlink_to(p.name),
        "link to a folder": lambda p: p.symlink_to("/"),
        "link to a text": lambda p: p.symlink_to(kept),
        "folder": Path.mkdir,
    }
    mask = scene.outputs / f"{scene.stem}_seg.nii.gz"
    at_output: dict[str, tuple[Path, Callable[[Path], None]]] = {
        "mask is a link": (mask, lambda p: p.symlink_to(kept)),
        "mask is a folder": (mask, lambda p: (p / "x").mkdir(parents=True)),
        "account is a link": (scene.outputs / ".cmrseg", lambda p: p.symlink_to(scene.folder)),
        "report is a link": (scene.outputs / "report", lambda p: p.symlink_to(scene.folder)),
        "summary is a link": (scene.outputs / "summary.json", lambda p: p.symlink_to(kept)),
        "summary is a folder": (scene.outputs / "summary.csv", Path.mkdir),
    }
    how = _one(rng, (*at_input, *at_output))
    if how in at_input:
        at_input[how](scene.inputs / f"{scene.stem}.nii.gz")
    else:
        scene.put(".nii.gz")
        place, make = at_output[how]
        make(place)
    return Conditions(what=how)


def kills(scene: TrialFolders, rng: np.random.Generator) -> Conditions:
    """Ended at a random moment, and gone on with."""
    scene.put(".nii.gz")
    by = _one(rng, (signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
    at = float(rng.uniform(0, 1.1))
    return Conditions(what=f"{by.name} at {at:.2f} of a run", kill_at=at, by=by)


def full_disks(scene: TrialFolders, rng: np.random.Generator) -> Conditions:
    """No file may grow beyond a bound."""
    scene.put(_one(rng, FORMATS))
    most = int(10 ** rng.uniform(1, 5.3))
    return Conditions(what=f"files of {most} bytes at most", file_bytes=most)


def little_memory(scene: TrialFolders, rng: np.random.Generator) -> Conditions:
    """Allocations fail beyond a bound."""
    scene.put(_one(rng, FORMATS))
    most = int(2 ** rng.uniform(23, 30))
    return Conditions(what=f"{most >> 20} MiB more at most", memory_bytes=most)


def side_by_side(scene: TrialFolders, rng: np.random.Generator) -> Conditions:
    """Two runs write into one output folder at the same time."""
    scene.put(_one(rng, FORMATS))
    return Conditions(what="two runs", twice=True)


FAULTS: dict[str, Fault] = {
    "none": plain,
    "bytes": wrong_bytes,
    "headers": wrong_headers,
    "values": wrong_values,
    "names": wrong_names,
    "links": links,
    "kills": kills,
    "full disks": full_disks,
    "memory limits": little_memory,
    "parallel runs": side_by_side,
}
SHARES = (1, 7, 7, 3, 3, 3, 4, 3, 3, 1)
"""How often each kind is drawn, relative to the others."""


def _one(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def _write_slices(volume: Volume, folder: Path) -> None:
    """A folder of DICOM slices, as one series."""
    folder.mkdir()
    image = sitk.Cast(to_itk(volume), sitk.sitkInt16)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = image.GetDirection()
    axes = [direction[i] for i in (0, 3, 6, 1, 4, 7)]
    for z in range(image.GetDepth()):
        one = image[:, :, z]
        place = image.TransformIndexToPhysicalPoint((0, 0, z))
        for tag, value in {
            "0008|0016": "1.2.840.10008.5.1.4.1.1.4",
            "0008|0018": f"1.2.3.{z + 1}",
            "0008|0060": "MR",
            "0018|0050": str(image.GetSpacing()[2]),
            "0020|000d": "1.2.3",
            "0020|000e": "1.2.3.100",
            "0020|0013": str(z + 1),
            "0020|0032": "\\".join(f"{p:.6g}" for p in place),
            "0020|0037": "\\".join(f"{a:.6g}" for a in axes),
        }.items():
            one.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{z:03d}.dcm"))
        writer.Execute(one)
