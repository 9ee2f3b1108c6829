"""The page that compares quality control's autoencoders: tables, words and a picture a view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cmrseg.errors import UsageError
from cmrseg.reproduce.autoencoders import (
    AUTHORS,
    FLOOR,
    Scored,
    Value,
    check_same,
    differences,
    measures,
    repeats,
    table,
    value,
    what_they_are,
)
from cmrseg.reproduce.page import Page
from cmrseg.training.detection import POOR
from cmrseg.training.wrong import MIXED, SPOILED

VIEWS = {"mnms2-sa-qc": "Short axis", "mnms2-la-qc": "Long axis"}
COLOURS = {MIXED: "#7b8794", SPOILED: "#c2571a"}
ACROSS, INCH, DPI = 3, 2.6, 110


def compare_autoencoders(
    files: Mapping[str, Path],
    out: Path,
    pairs: Sequence[tuple[str, str]],
    *,
    commit: str,
    command: str,
) -> Page:
    """Write the page and return it.

    Args:
        files: name -> ``autoencoder.json`` of `cmrseg score-qc`; of either view.
        out: folder for page, tables and pictures.
        pairs: names of autoencoders to tell apart: the first's gain over the other.
        commit: of the code, told under each table.
        command: likewise.

    Raises:
        InputError: a file is not what it should be, or two of a view are not of the same masks.
        UsageError: a pair names none of the autoencoders, or one of each view.
    """
    each = [Scored.read(name, path) for name, path in files.items()]
    views = {r: [o for o in each if o.told["recipe"] == r] for r in VIEWS}
    _check_pairs(pairs, views)
    out.mkdir(parents=True, exist_ok=True)
    page = Page(out, f"code {commit}; `{command}`")
    page.say(
        "# Quality control's autoencoders, beside one another",
        "Which reproduces true masks, and which fails on wrong ones as it should: what it leaves "
        "as it was given, quality control cannot find (galati2021 section 2.1; pDC is the Dice "
        "coefficient between a mask and its reconstruction, here of the RV). All are judged on the "
        "same patients, whom none has met, and the same wrong masks. Made errors: holes, cuts, "
        "leaks, swaps, drops and so on, mixed, as in training. Found errors: what a segmenter "
        "makes of spoiled images. In brackets 95 % intervals of a bootstrap over patients. "
        "**Better** and **worse** are said only where the interval of a difference lies on one "
        "side of zero, with no correction for how many are looked at; the seeds of trainings are "
        "not in the intervals, for each was trained once.",
    )
    for recipe, ones in views.items():
        if ones:
            _view(page, recipe, ones, pairs)
    page.close()
    return page


def _view(
    page: Page, recipe: str, each: Sequence[Scored], pairs: Sequence[tuple[str, str]]
) -> None:
    check_same(each)
    view, first = recipe.split("-")[1], each[0].told
    wanted = measures(each[0])
    values = {(one.name, m.title): value(one, m) for one in each for m in wanted}
    page.say(
        f"## {VIEWS[recipe]}",
        f"{first['stacks']} images of {len(set(first['patients']))} held-out patients "
        f"({', '.join(first['sources'])}). {_floor(recipe, each, values, wanted[0].title)}",
    )
    page.table(f"what-{view}", what_they_are(each))
    page.table(f"measures-{view}", table(each, values))
    own = [pair for pair in pairs if pair[0] in {one.name for one in each}]
    if own:
        grid, verdicts = differences(each, own, values)
        page.say(
            "### What helps",
            "\n".join(verdicts),
            "After as many steps as the table above says, that is: more of them may tell another "
            "story.",
        )
        page.table(f"differences-{view}", grid)
    page.say(
        "### What is repeated",
        "How much of an error (the wrong voxels of all structures) the reconstruction leaves as it "
        "was given, by kind; 100 % is an autoencoder that reproduces whatever it sees. What lies "
        "outside its window it neither sees nor repeats.",
    )
    page.table(f"repeats-{view}", repeats(each))
    words = (
        f"Each wrong mask's pDC against its true Dice (RV): grey made errors, orange a segmenter's "
        f"on spoiled images. Above the diagonal pDC is too high, below it too low; left of the "
        f"dashed line lie the masks to find (Dice under {POOR})."
    )
    _draw(each, page.figure(f"pdc-{view}", words))


def _floor(
    recipe: str, each: Sequence[Scored], values: Mapping[tuple[str, str], Value], title: str
) -> str:
    """Which reach the floor for true masks, in words."""
    reached = [o.name for o in each if (values[o.name, title].all or 0) >= FLOOR[recipe]]
    told = {0: "none reaches it", len(each): "all reach it"}.get(
        len(reached), f"it is reached by {', '.join(reached)}"
    )
    return (
        f"Our own floor is an RV Dice of {FLOOR[recipe]} on unseen true masks ({told}); the "
        f"authors' had {AUTHORS[recipe]} on other patients."
    )


def _check_pairs(pairs: Sequence[tuple[str, str]], views: Mapping[str, Sequence[Scored]]) -> None:
    for pair in pairs:
        if not any(set(pair) <= {one.name for one in ones} for ones in views.values()):
            raise UsageError(
                f"{' and '.join(pair)} are no two autoencoders of one view",
                "give names of autoencoders after --pair",
            )


def _draw(each: Sequence[Scored], path: Path) -> None:
    """Scatter plots, one an autoencoder."""
    across = min(ACROSS, len(each))
    down = -(-len(each) // across)
    figure = Figure(figsize=(INCH * across, INCH * down), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes: list[Axes] = list(figure.subplots(down, across, squeeze=False).flat)
    for ax in axes[len(each) :]:
        ax.set_axis_off()
    for ax, one in zip(axes, each, strict=False):
        images = np.arange(len(one.told["patients"]))
        for kind in (k for k in COLOURS if k in one.told["masks"]):
            true, pseudo = (one.column(kind, what, images) for what in ("dice", "pdc"))
            ax.scatter(true, pseudo, s=6, alpha=0.5, lw=0, color=COLOURS[kind])
        ax.plot([0, 1], [0, 1], color="#bbbbbb", lw=0.8, zorder=0)
        ax.axvline(POOR, color="#bbbbbb", lw=0.8, ls="--", zorder=0)
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        ax.set_title(one.name, fontsize=8)
        ax.set_xlabel("true Dice", fontsize=7)
        ax.set_ylabel("pDC", fontsize=7)
        ax.tick_params(labelsize=7)
    figure.savefig(path, metadata={"Software": None})
