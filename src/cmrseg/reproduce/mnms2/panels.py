"""Figure 4: masks before and after, of the image that gained most and the one that lost most."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cmrseg.challenges.mnms2 import RECIPES
from cmrseg.imaging.prepare import prepare, prepare_labels
from cmrseg.imaging.volume import Array
from cmrseg.reproduce.mnms2.figures import Panel, save_panels, slice_of_largest_change
from cmrseg.reproduce.mnms2.measure import Bench, Measured, masks_of
from cmrseg.reproduce.mnms2.tables import Results
from cmrseg.reproduce.page import Page


def save_extremes(page: Page, results: Results, bench: Bench) -> None:
    """Put Figure 4 on the page, of images whose refinement was kept if there are any."""
    page.say("## Figure 4: before, output of quality control, after")
    kept = [
        one
        for one in results.measured
        if one.refinement and one.refinement["candidates_kept"] and one.pseudo
    ]
    judged = kept or [one for one in results.measured if one.pseudo]
    if not judged:
        page.say("No view has quality control in this bundle.")
        return
    way = "{M}+QC" if kept else "M"

    def gain(one: Measured) -> float:
        before = results.row(one, way)
        return one.full["rv_dice"] - before["rv_dice"] if before else 0.0

    chosen = extremes({id(one): gain(one) for one in judged})
    named = {id(one): one for one in judged}
    panels = [_panel(results, bench, named[one], words, way) for words, one in chosen.items()]
    words = (
        f"The image that gained most and the one that lost most from {way} to full, by RV Dice. "
        + ("" if kept else "No refined candidate was accepted anywhere. ")
        + ("" if "gained most" in chosen else "None gained. ")
        + ("" if "lost most" in chosen else "None lost. ")
        + "Red LV, green myocardium, blue RV; white the expert's RV. Patients are shown as "
        "outlines without pixels."
    )
    save_panels(panels, page.figure("panels", words))


def extremes(gains: Mapping[int, float]) -> dict[str, int]:
    """Who gained and who lost most, as far as anybody did; somebody where nothing changed."""
    most, least = max(gains, key=gains.__getitem__), min(gains, key=gains.__getitem__)
    found = {"gained most": most} if gains[most] > 0 else {}
    found |= {"lost most": least} if gains[least] < 0 else {}
    return found or {"unchanged": most}


def _panel(results: Results, bench: Bench, one: Measured, words: str, way: str) -> Panel:
    """One line of the figure, on the recipe's grid, where quality control sees masks."""
    view = one.heart.role[:2]
    grid, inspector = RECIPES[view].grid, bench.inspectors[view]
    masks, refined = masks_of(one.masks), masks_of(one.refined_masks)
    image, truth = one.heart.make()

    def on_grid(mask: Array) -> Array:
        return prepare_labels(image.like(mask.astype(np.uint8)), grid).array

    before = on_grid(masks["candidates"][results.m(one)] if way == "M" else masks["answer"])
    after, expert = on_grid(refined["answer"]), on_grid(truth.array)
    again = inspector.control.reconstructor.labels(before) if inspector else before
    z = slice_of_largest_change(before, after, expert)
    row = results.row(one, way) or one.qc
    return Panel(
        title=f"{words}\n{one.heart.cohort}, {one.heart.role}\n"
        f"DC {row['rv_dice']:.3f} to {one.full['rv_dice']:.3f}",
        image=None if one.heart.real else prepare(image, grid).image.array[z],
        truth=expert[z],
        before=before[z],
        reconstruction=again[z],
        after=after[z],
    )
