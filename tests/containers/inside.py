"""What the container tests do inside the image, which has all the libraries and maybe no network.

    inside.py layout CHALLENGE SAMPLES FOLDER           sample cases as sockets and a plain folder
    inside.py compare EXPECTED FOUND DICE [CASE] [LABEL]
                                                        masks of an output, the committed ones
    inside.py told FOUND KEY=VALUE ... [WORDS]          how every case was computed, and its warning
    inside.py keep FOUND EXPECTED                       commit the masks of an output
    inside.py wipe FOLDER                               remove what is in it
    inside.py invoke                                    wait for the server, then one POST /invoke

``CASE`` narrows the comparison to one case, which output sockets do not name; ``LABEL`` is the one
that the contract writes, such as 3 for the right ventricle.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

from cmrseg.cases.sockets import TABLES
from cmrseg.imaging import read, write
from cmrseg.imaging.volume import Array

SERVER = "http://127.0.0.1:4743"
READY_S = 300
"""How long the platform waits for the server."""
ROLES = {socket.mask: socket.role for table in TABLES.values() for socket in table.sockets}
ENDING = re.compile(r"(_seg|_pred)?(\.nii\.gz|\.mha)$")


def layout(challenge: str, samples: Path, folder: Path) -> None:
    """Write ``sockets/<case>/`` as the platform does, and ``plain/`` with the first case."""
    pattern = "*/*/Images/*.nii.gz" if challenge == "emidec" else "*/*/*_[SL]A_E[DS].nii.gz"
    for path in sorted(samples.glob(pattern)):
        image, name = read(path), ENDING.sub("", path.name)
        role = "LGE" if challenge == "emidec" else name[-5:]
        case = name.removesuffix(f"_{role}")
        (socket,) = (s for s in TABLES[challenge].sockets if s.role == role)
        place = folder / "sockets" / case / "images" / socket.slug
        place.mkdir(parents=True)
        write(image, place / "7d1a3b1e.mha")
        if case in {"Case_P001", "001"}:
            (folder / "plain").mkdir(exist_ok=True)
            write(image, folder / "plain" / f"{case}_{role}.mha")
    for case_folder in (folder / "sockets").iterdir():
        slugs = [{"socket": {"slug": p.name}} for p in (case_folder / "images").iterdir()]
        (case_folder / "inputs.json").write_text(json.dumps(slugs))


def masks(output: Path) -> dict[str, Path]:
    """``<case>_<role>`` -> file, of any output folder; from sockets ``<role>`` alone."""
    found = {}
    for path in sorted([*output.rglob("*.nii.gz"), *output.rglob("*.mha")]):
        name = ENDING.sub("", path.name)
        if name == "output":
            name = ROLES.get(path.parent.name, "")
        elif path.parent.name == "Contours":
            name = f"{name}_LGE"
        if name.endswith(tuple(ROLES.values())):
            found[name] = path
    return found


def keep(found: Path, expected: Path) -> None:
    """Replace the committed masks."""
    shutil.rmtree(expected, ignore_errors=True)
    expected.mkdir(parents=True)
    for name, path in masks(found).items():
        shutil.copy(path, expected / f"{name}.nii.gz")


def wipe(folder: Path) -> None:
    """Empty a folder, as the platform does with /output between two invocations."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def compare(expected: Path, found: Path, least_dice: str, case: str = "", label: str = "") -> None:
    """Every mask agrees with the expected one, and none is missing or too many."""
    wanted = {name: path for name, path in masks(expected).items() if name.startswith(case)}
    got = {f"{case}_{n}" if n in ROLES.values() else n: p for n, p in masks(found).items()}
    if not wanted or set(got) != set(wanted):
        sys.exit(f"there are masks of {sorted(got)}, expected of {sorted(wanted)}")
    scores = [lowest_dice(read(got[n]).array, read(wanted[n]).array, label) for n in wanted]
    print(f"{len(scores)} masks, lowest Dice {min(scores):.5f}")
    if min(scores) < float(least_dice):
        sys.exit(f"a mask is not the expected one: its Dice is below {least_dice}")


def told(found: Path, *expected: str) -> None:
    """Every case's record has these values under ``computed``, and a warning with these words."""
    summary, results = found / "summary.json", found / "results.json"
    cases = (
        json.loads(summary.read_text())["cases"]
        if summary.is_file()
        else [json.loads(results.read_text())]
    )
    for case in cases:
        for wanted in expected:
            key, equals, value = wanted.partition("=")
            fits = (
                str(case["computed"].get(key)) == value
                if equals
                else any(wanted in warning for warning in case["warnings"])
            )
            if not fits:
                sys.exit(f"no {wanted!r} in {case['computed']}, {case['warnings']}")
    print(f"{len(cases)} results tell of {', '.join(expected)}")


def lowest_dice(got: Array, wanted: Array, only: str) -> float:
    """The worst label's Dice; exits for masks of another size or with labels beside ``only``."""
    if got.shape != wanted.shape:
        sys.exit("a mask is not of its image's size")
    if only:
        wanted = np.where(wanted == int(only), wanted, 0)
        if set(np.unique(got)) - {0, int(only)}:
            sys.exit(f"a mask has other labels than {only}")
    scores = []
    for label in set(np.unique(got)) | set(np.unique(wanted)):
        a, b = got == label, wanted == label
        scores.append(2 * float((a & b).sum()) / float(a.sum() + b.sum()))
    return min(scores)


def invoke() -> None:
    """One invocation; anything but 201 is a failure to the platform."""
    deadline = time.monotonic() + READY_S
    while (status := answer("GET", "/health")[0]) != 200:
        if time.monotonic() > deadline:
            sys.exit(f"/health answered {status or 'nothing'} for {READY_S} s")
        time.sleep(0.5)
    status, body = answer("POST", "/invoke")
    if status != 201:
        sys.exit(f"/invoke answered {status}: {body}")


def answer(method: str, place: str) -> tuple[int, str]:
    """Status and body of a request; 0 where nobody listens."""
    request = urllib.request.Request(SERVER + place, method=method)
    try:
        with urllib.request.urlopen(request, timeout=READY_S) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def main(command: str, *arguments: str) -> None:
    """Run one of the commands above."""
    if command == "layout":
        layout(arguments[0], Path(arguments[1]), Path(arguments[2]))
    elif command == "keep":
        keep(Path(arguments[0]), Path(arguments[1]))
    elif command == "wipe":
        wipe(Path(arguments[0]))
    elif command == "told":
        told(Path(arguments[0]), *arguments[1:])
    elif command == "compare":
        compare(Path(arguments[0]), Path(arguments[1]), *arguments[2:])
    else:
        invoke()


if __name__ == "__main__":
    main(*sys.argv[1:])
