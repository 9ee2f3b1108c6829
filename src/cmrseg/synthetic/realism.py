"""Are synthetic hearts like real ones? Measure both and write the table that says so.

Run as ``python -m cmrseg.synthetic.realism --real-mnms2 DIR --real-emidec DIR --out FILE.md``
(``make realism``). Without a real set its part is left out. Tables and curves hold sums over many
patients only; ``--picture FILE.png`` shows real slices beside synthetic ones, and ``--blind
FILE.png`` mixes them without saying which are which (the key lies beside it), to look at and not to
pass on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmrseg.errors import EXIT_OK, CmrsegError, UsageError
from cmrseg.synthetic import histograms, reality
from cmrseg.synthetic.blind import blind_sheet
from cmrseg.synthetic.distances import far_apart, table
from cmrseg.synthetic.measures import Measures, measure_cine, measure_late
from cmrseg.synthetic.patient import draw_patient
from cmrseg.synthetic.picture import side_by_side
from cmrseg.synthetic.pieces import SPECK_PIXELS
from cmrseg.synthetic.record import GENERATION

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
    parts = [_header(patients, seed, figure)]
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


def _header(patients: int, seed: int, figure: str) -> str:
    """What the tables below it hold, and what they do not show."""
    return HEADER.format(
        patients=patients, seed=seed, figure=figure, generation=GENERATION, speck=SPECK_PIXELS
    )


HEADER = """# Synthetic against real hearts

Written by `python -m cmrseg.synthetic.realism`, {patients} synthetic patients a challenge,
generation {generation}, seed {seed}, style `in`. Each cell: mean ± deviation (least to greatest)
over patients. *W* is the 1-Wasserstein distance between the two distributions over patients, as a
share of the real deviation: 0 the same, 1 apart by one deviation.

Cine grey values are shares of the median LV blood. Late-enhancement grey values are relative to
the 20th (0) and 98th (1) percentile of their slice. "Around the heart" is a ring 2 to 10 pixels
outside the labels. "Neighbours alike" is the correlation of neighbouring voxels' grain. RV shape is
by thirds of the slices that show both ventricles: solidity is the area over that of the convex
hull, width/length the ratio of the principal axes, embrace the share of the LV's outline that the
RV touches, septal curvature is 1 where the septum is as round as the LV. "In pieces" and "with
specks" are shares of the slices that show the structure: two or more pieces that share no corner,
or {speck} pixels or fewer apart from a larger piece. The real late-enhancement
set was rebuilt from 8-bit pictures: its pixel size is estimated and part of its slice distances are
assumed. Tables of grey values: percentiles of the histograms, averaged over patients, and the area
that real and synthetic curves have in common (1 the same).

Does a person have to look twice? No, as of generation 4. A blind look at 24 slices (`--blind
FILE.png --seed 11`: 12 of cine, 12 of late enhancement, real or drawn by the toss of a coin): 24
told right, 12 and 12, by one who had seen both kinds side by side before and is no radiologist.
What gives cine away is mostly around the ventricles: fat with unbroken dark outlines, ribs like
beads on a string, one grey in liver and stomach, a trunk's outline too smooth. In late enhancement
it is the even bright rim of fat, and liver and lungs that are too plain; blood, muscle and infarct
have about the grey values of real ones. The long axis, of which there is no real one to mix in, is
told by its straight valve planes.

What is odd at the base of the short axis: a valve plane is a plane, so labels may end there on a
straight line through blood that looks the same on both sides, and the muscle's ring is open. The
RV may be in pieces (the outflow and a strip along the septum), now and then the myocardium too, and
slivers stay in the labels as specks of a pixel or two, most of them along the septum: real RVs have
fewer, the rows below say how often. Below the aortic root lies a wedge of one even dark grey. In
late enhancement a drawn infarct is nearly always one piece, real ones are often in several.

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


def _count(text: str) -> int:
    """A whole number from one."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is too few: at least 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cmrseg.synthetic.realism", description=__doc__)
    parser.add_argument("--real-mnms2", type=Path, metavar="DIR")
    parser.add_argument("--real-emidec", type=Path, metavar="DIR")
    parser.add_argument("--patients", type=_count, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="tables; a .svg beside them")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="real slices left, synthetic right"
    )
    parser.add_argument(
        "--rows", type=_count, default=4, help="patients of each kind in the picture"
    )
    parser.add_argument(
        "--blind", type=Path, metavar="FILE.png", help="both mixed, and the key: FILE.key.csv"
    )
    parser.add_argument("--slices", type=_count, default=12, help="of each kind on the blind sheet")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of this module; returns the exit code."""
    given = _parser().parse_args(arguments)
    real = given.real_mnms2, given.real_emidec
    try:
        if not any(real) or not (given.out or given.picture or given.blind):
            raise UsageError(
                "there is nothing to compare or nowhere to write",
                "give --real-mnms2 or --real-emidec, and --out, --picture or --blind",
            )
        if given.picture:
            side_by_side(*real, given.picture, rows=given.rows, seed=given.seed)
        if given.blind:
            blind_sheet(*real, given.blind, slices=given.slices, seed=given.seed)
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
