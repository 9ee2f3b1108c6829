"""Are synthetic hearts like real ones? Measure both and write the table that says so.

Run as ``python -m cmrseg.synthetic.realism --real-mnms2 DIR --real-emidec DIR --out FILE.md``
(``make realism``). Without a real set its part is left out. Tables and curves hold sums over many
patients only; ``--picture FILE.png`` shows real slices beside synthetic ones, to look at and not to
pass on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import wasserstein_distance

from cmrseg.errors import EXIT_OK, CmrsegError, UsageError
from cmrseg.imaging.volume import Array
from cmrseg.synthetic import histograms, reality
from cmrseg.synthetic.measures import Measures, measure_cine, measure_late
from cmrseg.synthetic.patient import draw_patient
from cmrseg.synthetic.picture import save_picture

Sample = tuple[str, Measures]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What is kept of one patient's image once it was looked at.

    Attributes:
        group: disease.
        measures: of :mod:`cmrseg.synthetic.measures`.
        density: of :mod:`cmrseg.synthetic.histograms`.
    """

    group: str
    measures: Measures
    density: histograms.Density


def seen(group: str, pair: reality.Pair, *, late: bool) -> Seen:
    """Measure one image with its labels."""
    measure = measure_late if late else measure_cine
    density = histograms.densities(*pair, late=late)
    return Seen(group=group, measures=measure(*pair), density=density)


def compare(
    real_mnms2: Path | None,
    real_emidec: Path | None,
    *,
    patients: int = 80,
    seed: int = 0,
    figure: str = "",
) -> tuple[str, str]:
    """The comparison as Markdown, and the histograms as SVG.

    Args:
        real_mnms2: folder in the M&Ms-2 layout with ``_gt`` labels, or None.
        real_emidec: folder in the EMIDEC layout with ``Contours``, or None.
        patients: synthetic patients of each challenge, in the real set's mix of groups.
        seed: of the synthetic patients.
        figure: name of the SVG file, for the link to it.
    """
    parts = [HEADER.format(patients=patients, seed=seed, figure=figure)]
    curves = []
    for title, real, fake in _sets(real_mnms2, real_emidec, patients, seed):
        parts += _by_group(title, _measured(real), _measured(fake))
        one = histograms.Comparison(
            title=title,
            real=histograms.averaged(case.density for case in real),
            synthetic=histograms.averaged(case.density for case in fake),
        )
        parts += [f"### {title}: grey values by tissue", "", *histograms.table(one), ""]
        curves.append(one)
    parts += far_apart(parts)
    return "\n".join(parts) + "\n", histograms.svg(curves)


def _sets(
    real_mnms2: Path | None, real_emidec: Path | None, patients: int, seed: int
) -> Iterator[tuple[str, list[Seen], list[Seen]]]:
    """Title, real and synthetic patients of each kind of image."""
    if real_mnms2:
        groups = reality.cine_groups(real_mnms2)
        made = list(draw_groups("mnms2", sorted(groups.values()), patients, seed))
        for phase in ("ED", "ES"):
            cases = reality.read_cine(real_mnms2, groups, phase)
            real = [seen(group, pair, late=False) for group, pair in cases]
            yield f"Cine, short axis, {phase}", real, [patient[f"SA_{phase}"] for patient in made]
    if real_emidec:
        real = [seen(group, pair, late=True) for group, pair in reality.read_late(real_emidec)]
        made = list(draw_groups("emidec", sorted(c.group for c in real), patients, seed))
        yield "Late enhancement", real, [patient["LGE"] for patient in made]


def _measured(cases: Iterable[Seen]) -> list[Sample]:
    return [(case.group, case.measures) for case in cases]


HEADER = """# Synthetic against real hearts

Written by `python -m cmrseg.synthetic.realism`, {patients} synthetic patients a challenge, seed
{seed}, style `in`. Each cell: mean ± deviation (least to greatest) over patients. *W* is the
1-Wasserstein distance between the two distributions over patients, as a share of the real
deviation: 0 the same, 1 apart by one deviation.

Cine grey values are shares of the median LV blood. Late-enhancement grey values are relative to
the 20th (0) and 98th (1) percentile of their slice. "Around the heart" is a ring 2 to 10 pixels
outside the labels. "Neighbours alike" is the correlation of neighbouring voxels' grain. RV shape is
by thirds of the slices that show both ventricles: solidity is the area over that of the convex
hull, width/length the ratio of the principal axes, embrace the share of the LV's outline that the
RV touches, septal curvature is 1 where the septum is as round as the LV. The real late-enhancement
set was rebuilt from 8-bit pictures: its pixel size is estimated and part of its slice distances are
assumed. Tables of grey values: percentiles of the histograms, averaged over patients, and the area
that real and synthetic curves have in common (1 the same).

![Grey values by tissue]({figure})
"""


def draw_groups(
    challenge: str, groups: Sequence[str], patients: int, seed: int
) -> Iterator[dict[str, Seen]]:
    """By role, what is seen of synthetic patients whose groups are mixed as ``groups`` are."""
    for i in range(patients):
        group = groups[i * len(groups) // patients]
        patient = draw_patient(challenge, seed + i, group=group)
        yield {
            role: seen(group, (image, patient.labels[role]), late=challenge == "emidec")
            for role, image in patient.images.items()
            if not role.startswith("LA")
        }


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


FAR = 0.8
"""A distance that wants a reason."""

WHY = (
    (("RV solidity", "base"), "the small RVs of HCM and DCM hearts are drawn to embrace the LV as "
     "far as large ones do, and so are too slim at the base"),
    (("RV solidity",), "one family of outlines: real RVs change their shape more along the axis"),
    (("RV width/length",), "one family of outlines: real RVs change their shape more along the "
     "axis"),
    (("RV embrace", "base"), "the drawn RV ends in an outflow tract, which touches the LV less"),
    (("RV embrace",), "one half angle for the whole height, real ones vary along the axis"),
    (("septal curvature",), "the drawn septum is rounder than the real one and varies more"),
    (("Late", "neighbours alike"), "the real pictures were stretched to 256 x 256"),
    (("Late", "around the heart grey spread"), "real rings reach from darker air to brighter fat"),
    (("MYO neighbours alike",), "muscle is drawn too smooth, its own texture or its noise too "
     "coarse; blood agrees better"),
    (("neighbours alike",), "few styles stand for the k-space of every scanner"),
    (("Cine", "around the heart grey"), "lungs are drawn black and fat in patches: real rings hold "
     "more fat, vessels and neighbouring organs"),
    (("Late", "grey spread"), "real labels were resized and sit half a pixel off, so that "
     "neighbouring tissues mix in; and each synthetic tissue is drawn too even"),
    (("grey spread",), "real blood holds more slow flow, inflow and trabeculae, and coils light it "
     "less evenly"),
    (("grey",), "a patient's tissue table is drawn around one mean for all sites"),
    (("LV, wall thickness",), "the group's cavity at end-systole is drawn too small, so that the "
     "wall is too thick"),
    (("wall thickness",), "volumes agree, so the real ventricles are shorter and thicker"),
    (("[mL]",), "mean and deviation of a group come from its table, over few patients each"),
    (("pixel",), "real sizes are one site's (cine) or estimated (late enhancement)"),
    (("slice distance",), "real ones are nearly all 10 mm, which makes their deviation small"),
    (("slices",), "coverage is drawn from the styles; the real stacks are nearly all of one site"),
    (("radius",), "volumes agree, lengths of the ventricle less so"),
)  # fmt: skip
"""Why a measure may be far off: what its table and name hold, the reason; the first counts."""


def far_apart(lines: Sequence[str]) -> list[str]:
    """Markdown: each measure of the tables whose distance is over ``FAR``, and why."""
    title, found = "", []
    for line in lines:
        if line.startswith("#"):
            title = line.lstrip("# ")
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4 and _number(cells[3]) > FAR:
            name = f"{title}, {cells[0]}"
            reasons = (why for words, why in WHY if all(word in name for word in words))
            found.append(f"- {name} ({cells[3]}): {next(reasons, 'not known')}.")
    return [f"## Where W is over {FAR}", "", *(found or ["Nowhere."]), ""]


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _summary(values: Array) -> str:
    return f"{values.mean():.3g} ± {values.std():.2g} ({values.min():.3g} to {values.max():.3g})"


def side_by_side(
    real_mnms2: Path | None, real_emidec: Path | None, path: Path, *, rows: int, seed: int
) -> None:
    """Draw real patients beside synthetic ones of their groups.

    Args:
        real_mnms2: as for :func:`compare`.
        real_emidec: as for :func:`compare`.
        path: the picture, a ``.png``; it holds real images.
        rows: patients of each kind.
        seed: which real patients, and which synthetic ones.

    Raises:
        UsageError: neither set, or another ending.
        OutputError: the picture cannot be written.
    """
    rng = np.random.default_rng(seed)
    chosen: list[tuple[str, str, str, reality.Pair]] = []
    if real_mnms2:
        groups = reality.cine_groups(real_mnms2)
        for number, case in enumerate(rng.permutation(sorted(groups))[:rows]):
            phase = ("ED", "ES")[number % 2]
            ((group, pair),) = reality.read_cine(real_mnms2, {case: groups[case]}, phase)
            chosen.append(("mnms2", f"SA_{phase}", group, pair))
    if real_emidec:
        cases = list(reality.read_late(real_emidec))
        for k in rng.permutation(len(cases))[:rows]:
            chosen.append(("emidec", "LGE", *cases[k]))
    drawn = []
    for number, (challenge, role, group, pair) in enumerate(chosen):
        patient = draw_patient(challenge, seed * 1000 + number, group=group)
        drawn.append((pair, (patient.images[role], patient.labels[role])))
    save_picture(drawn, path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of this module; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cmrseg.synthetic.realism", description=__doc__)
    parser.add_argument("--real-mnms2", type=Path, metavar="DIR")
    parser.add_argument("--real-emidec", type=Path, metavar="DIR")
    parser.add_argument("--patients", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="tables; a .svg beside them")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="real slices left, synthetic right"
    )
    parser.add_argument("--rows", type=int, default=4, help="patients of each kind in the picture")
    given = parser.parse_args(arguments)
    real = given.real_mnms2, given.real_emidec
    try:
        if not any(real) or not (given.out or given.picture):
            raise UsageError(
                "there is nothing to compare or nowhere to write",
                "give --real-mnms2 or --real-emidec, and --out or --picture",
            )
        if given.picture:
            side_by_side(*real, given.picture, rows=given.rows, seed=given.seed)
        if given.out:
            figure = given.out.with_suffix(".svg")
            text, curves = compare(
                *real, patients=given.patients, seed=given.seed, figure=figure.name
            )
            given.out.write_text(text, encoding="utf-8")
            figure.write_text(curves, encoding="utf-8")
    except CmrsegError as error:
        print(f"cmrseg.synthetic.realism: {error}", file=sys.stderr)
        return error.exit_code
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
