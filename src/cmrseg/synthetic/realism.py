"""Are synthetic hearts like real ones? Measure both and write the table that says so.

Run as ``python -m cmrseg.synthetic.realism --real-mnms2 DIR --real-emidec DIR --out FILE.md``.
Without a real set its part is left out. The data themselves are never written anywhere.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import wasserstein_distance

from cmrseg.imaging.read import read
from cmrseg.imaging.volume import Array, Volume
from cmrseg.synthetic.measures import Measures, measure_cine, measure_late
from cmrseg.synthetic.patient import draw_patient

GROUP_OF = {"DCM": "LV"}
"""Groups that the real sets call otherwise."""

Sample = tuple[str, Measures]


def compare(
    real_mnms2: Path | None, real_emidec: Path | None, *, patients: int = 80, seed: int = 0
) -> str:
    """The comparison as Markdown.

    Args:
        real_mnms2: folder in the M&Ms-2 layout with ``_gt`` labels, or None.
        real_emidec: folder in the EMIDEC layout with ``Contours``, or None.
        patients: synthetic patients of each challenge, in the real set's mix of groups.
        seed: of the synthetic patients.
    """
    parts = [HEADER.format(patients=patients, seed=seed)]
    if real_mnms2:
        groups = _groups(real_mnms2)
        synthetic = list(draw_groups("mnms2", sorted(groups.values()), patients, seed))
        for phase in ("ED", "ES"):
            real = list(_real_cine(real_mnms2, groups, phase))
            fake = [patient[f"SA_{phase}"] for patient in synthetic]
            parts += _by_group(f"Cine, short axis, {phase}", real, fake)
    if real_emidec:
        real = list(_real_late(real_emidec))
        made = draw_groups("emidec", sorted(group for group, _ in real), patients, seed)
        parts += _by_group("Late enhancement", real, [patient["LGE"] for patient in made])
    return "\n".join(parts) + "\n"


HEADER = """# Synthetic against real hearts

Written by `python -m cmrseg.synthetic.realism`, {patients} synthetic patients a challenge, seed
{seed}, style `in`. Each cell: mean ± deviation (least to greatest) over patients. *W* is the
1-Wasserstein distance between the two distributions over patients, as a share of the real
deviation: 0 the same, 1 apart by one deviation.

Cine grey values are shares of the median LV blood. Late-enhancement grey values are relative to
the 20th (0) and 98th (1) percentile of their slice. "Around the heart" is a ring 2 to 10 pixels
outside the labels. The real late-enhancement set was rebuilt from 8-bit pictures: its pixel size
is estimated and part of its slice distances are assumed.
"""


def draw_groups(
    challenge: str, groups: Sequence[str], patients: int, seed: int
) -> Iterator[dict[str, Sample]]:
    """Measures by role of synthetic patients whose groups are mixed as ``groups`` are."""
    measure = measure_cine if challenge == "mnms2" else measure_late
    for i in range(patients):
        group = groups[i * len(groups) // patients]
        patient = draw_patient(challenge, seed + i, group=group)
        yield {
            role: (group, measure(image, patient.labels[role]))
            for role, image in patient.images.items()
            if not role.startswith("LA")
        }


def _real_cine(root: Path, groups: Mapping[str, str], phase: str) -> Iterator[Sample]:
    for case_id, group in groups.items():
        stem = root / "dataset" / case_id / f"{case_id}_SA_{phase}"
        yield group, _measured(measure_cine, Path(f"{stem}.nii.gz"), Path(f"{stem}_gt.nii.gz"))


def _real_late(root: Path) -> Iterator[Sample]:
    for path in sorted(root.glob("emidec-dataset-1.0.1/Case_*/Images/*.nii.gz")):
        label = path.parent.parent / "Contours" / path.name
        yield path.name.removeprefix("Case_")[0], _measured(measure_late, path, label)


def _measured(measure: Callable[[Volume, Volume], Measures], image: Path, label: Path) -> Measures:
    return measure(read(image), read(label))


def _groups(root: Path) -> dict[str, str]:
    """Case id -> group of the cases that have a folder."""
    with (root / "dataset_information.csv").open(encoding="utf-8") as file:
        rows = {row["SUBJECT_CODE"]: row["DISEASE"] for row in csv.DictReader(file)}
    found = {}
    for folder in sorted(path.name for path in (root / "dataset").iterdir() if path.is_dir()):
        group = rows.get(folder, rows.get(folder.lstrip("0"), ""))
        found[folder] = GROUP_OF.get(group, group)
    return found


def _by_group(title: str, real: Sequence[Sample], fake: Sequence[Sample]) -> list[str]:
    """One table of everything over all groups, and one of the volumes by group."""
    lines = [f"## {title}", "", *table(_all(real), _all(fake)), ""]
    for group in sorted({group for group, _ in real}):
        volumes = [_volumes_of(side, group) for side in (real, fake)]
        lines += [f"### {title}: {group}", "", *table(*volumes), ""]
    return lines


def _all(samples: Iterable[Sample]) -> list[Measures]:
    return [measures for _, measures in samples]


def _volumes_of(samples: Iterable[Sample], group: str) -> list[Measures]:
    return [
        {k: v for k, v in measures.items() if "[mL]" in k or "[%]" in k or "thickness" in k}
        for g, measures in samples
        if g == group
    ]


def table(real: Sequence[Measures], fake: Sequence[Measures]) -> list[str]:
    """Markdown rows: each measure's statistics in both sets and their distance."""
    names = list(dict.fromkeys(name for measures in real for name in measures))
    rows = ["| measure | real | synthetic | W |", "|---|---|---|---|"]
    for name in names:
        a, b = (np.array([m[name] for m in side if np.isfinite(m.get(name, np.nan))])
                for side in (real, fake))  # fmt: skip
        if a.size and b.size:
            distance = wasserstein_distance(a, b) / a.std() if a.std() > 0 else float("nan")
            rows.append(f"| {name} | {_summary(a)} | {_summary(b)} | {distance:.2f} |")
    return [row.replace("nan |", "- |") for row in rows]


def _summary(values: Array) -> str:
    return f"{values.mean():.3g} ± {values.std():.2g} ({values.min():.3g} to {values.max():.3g})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m cmrseg.synthetic.realism", description=__doc__)
    parser.add_argument("--real-mnms2", type=Path, metavar="DIR")
    parser.add_argument("--real-emidec", type=Path, metavar="DIR")
    parser.add_argument("--patients", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.md")
    given = parser.parse_args(arguments)
    text = compare(given.real_mnms2, given.real_emidec, patients=given.patients, seed=given.seed)
    given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
