"""A perfect submission of the sample cases, as Grand Challenge lays it out for an evaluation.

    submission.py write CHALLENGE SAMPLES FOLDER    in FOLDER: predictions.json and its jobs' masks
    submission.py drop FOLDER                       take the last job away
    submission.py check METRICS CASES               every Dice is 1 and every distance 0

Runs inside the image, which has all the libraries.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cmrseg.cases.sockets import TABLES
from cmrseg.evaluation.pairs import index
from cmrseg.imaging import read, write


def write_jobs(challenge: str, samples: Path, folder: Path) -> None:
    """One job a patient, whose masks are the expert's."""
    jobs = []
    for number, (case, images) in enumerate(index(challenge, "truth", samples).items()):
        job = {"pk": f"7d1a3b1e-{number:04}", "status": "Succeeded", "inputs": [], "outputs": []}
        for socket in TABLES[challenge].sockets:
            name = case if challenge == "emidec" else f"{case}_{socket.role}"
            job["inputs"].append(
                {"socket": {"slug": socket.slug}, "image": {"name": f"{name}.nii.gz"}}
            )
            place = f"images/{socket.mask}"
            job["outputs"].append({"socket": {"slug": socket.mask, "relative_path": place}})
            path = folder / job["pk"] / "output" / place / "output.mha"
            path.parent.mkdir(parents=True)
            write(read(images[socket.role]), path)
        jobs.append(job)
    (folder / "predictions.json").write_text(json.dumps(jobs))


def drop(folder: Path) -> None:
    """Leave the last job out of the listing."""
    listing = folder / "predictions.json"
    listing.write_text(json.dumps(json.loads(listing.read_text())[:-1]))


def check(metrics: Path, cases: int) -> None:
    """End with a message if anything is less than perfect."""
    told = json.loads(metrics.read_text(), parse_constant=lambda name: sys.exit(f"{name} in JSON"))
    if len(told["results"]) != cases:
        sys.exit(f"{len(told['results'])} cases were scored, not {cases}")
    wanted = {"dice": 1.0, "mm": 0.0}
    for name, found in told["aggregates"].items():
        perfect = wanted.get(name.rpartition("_")[2])
        if perfect is not None and (found["min"], found["max"]) != (perfect, perfect):
            sys.exit(f"{name} lies between {found['min']} and {found['max']}")
    print(f"{told['challenge']}: {cases} cases, all perfect")


def main() -> None:
    """What the arguments say."""
    command, *given = sys.argv[1:]
    if command == "write":
        write_jobs(given[0], Path(given[1]), Path(given[2]))
    elif command == "drop":
        drop(Path(given[0]))
    else:
        check(Path(given[0]), int(given[1]))


if __name__ == "__main__":
    main()
