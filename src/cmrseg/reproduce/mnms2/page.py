"""``cmrseg reproduce mnms2``: galati2021's tables and figures from bundles, patients, drawn hearts.

Every patient is one that no network of any bundle learned from. What is measured of a heart is kept
below ``work`` in the output folder; a run that was stopped goes on, and one that only draws tables
again computes nothing. Beside ``work`` lies what may be published: a page, tables and figures, in
which no patient's name or pixel stands.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cmrseg import bundle
from cmrseg.bundle import Bundle
from cmrseg.challenges.mnms2 import RECIPES, VIEWS
from cmrseg.challenges.steps import RIVAL
from cmrseg.errors import InputError
from cmrseg.evaluation.table import Grid
from cmrseg.reproduce.mnms2 import claims, paper, refined, rules, tables, verdicts
from cmrseg.reproduce.mnms2.claims import LEEWAY
from cmrseg.reproduce.mnms2.hearts import CLEAN, Heart, Shifts, all_hearts
from cmrseg.reproduce.mnms2.kinds import kinds
from cmrseg.reproduce.mnms2.measure import Bench, Effort
from cmrseg.reproduce.mnms2.panels import save_extremes
from cmrseg.reproduce.mnms2.shifts import shifted_patients
from cmrseg.reproduce.mnms2.tables import ALL_SHIFTED, Results
from cmrseg.reproduce.mnms2.trios import trios
from cmrseg.reproduce.page import Page
from cmrseg.training.card import steps_in_all


def reproduce(
    data: Path,
    out: Path,
    bundles: Mapping[str, Path | None],
    *,
    source: str = "acdc",
    shifts: Shifts | None = None,
    effort: Effort | None = None,
    pools: Mapping[str, Path | None] | None = None,
    scores: Mapping[str, Path] | None = None,
    commit: str = "unknown",
    command: str = "cmrseg reproduce mnms2",
    say: Callable[[str], None] = print,
) -> Page:
    """Measure bundles on held-out patients and drawn hearts, and write the page.

    Args:
        data: labelled short-axis patients in the M&Ms-2 layout.
        out: page, tables, figures and ``work`` go here.
        bundles: name -> bundle, None for the usual places; Table 1 is the first's.
        source: the name the data was preprocessed under.
        shifts: what is scored beside patients as they are.
        effort: how to compute.
        pools: name -> bundle of three candidates or more, judged by the first bundle's quality
            control; told is what three of them are worth, and nothing of theirs is refined. One
            whose candidates held out several folds is shown drawn hearts alone.
        scores: name -> ``autoencoder.json`` of `cmrseg score-qc`.
        commit: of the code, told under every table.
        command: how this was called, told under every table.
        say: takes progress lines.

    Raises:
        InputError: no patient is unseen by all networks, or a score file cannot be read.
        WeightsError: a bundle is missing or altered.
        UsageError: there is no such style or artefact.
    """
    shifts, effort, work = shifts or Shifts(), effort or Effort(), out / "work"
    told = {name: _scores(path) for name, path in (scores or {}).items()}
    work.mkdir(parents=True, exist_ok=True)
    (work / ".gitignore").write_text("*\n", encoding="utf-8")
    found = {name: bundle.find("mnms2", place) for name, place in bundles.items()}
    pooled = {name: bundle.find("mnms2", place) for name, place in (pools or {}).items()}
    known = [one for one in (*found.values(), *pooled.values()) if not _several_folds(one)]
    hearts = all_hearts(data, source, known, shifts, work)
    unrefined, judge = replace(effort, refine_s=0.0, refined=0), next(iter(found.values()))
    benches = {
        name: Bench(name=name, found=one, effort=effort, work=work, say=say)
        for name, one in found.items()
    } | {
        name: Bench(name=name, found=one, effort=unrefined, work=work, say=say, judge=judge)
        for name, one in pooled.items()
    }
    measured = {
        name: Results(
            name,
            _about(name, bench.found),
            bench.measure([h for h in hearts if not (h.real and _several_folds(bench.found))]),
            _files(bench.found),
        )
        for name, bench in benches.items()
    }
    all_results = [measured[name] for name in found]
    digests = ", ".join(f"{name} {bench.found.digest[:12]}" for name, bench in benches.items())
    page = Page(out, f"bundles: {digests}; code {commit}; `{command}`")
    _head(page, hearts, list(measured.values()), effort)
    _claims(page, all_results)
    _pathologies(page, all_results[0])
    _ablation(page, all_results, effort)
    _trios(page, all_results, [measured[name] for name in pooled])
    _rules(page, all_results[0])
    _quality(page, all_results, told)
    save_extremes(page, all_results[0], benches[all_results[0].name])
    page.keep("images.csv", _csv(tables.images(all_results)))
    page.say("All of it by image: [images.csv](images.csv).")
    page.close()
    return page


def _head(page: Page, hearts: list[Heart], all_results: list[Results], effort: Effort) -> None:
    patients = {one.patient for one in hearts if one.real}
    drawn = {one.patient for one in hearts if not one.real}
    page.say(
        "# M&Ms-2: the paper's tables and figures, made anew",
        f"Made by `cmrseg reproduce mnms2`; do not edit. The paper: {paper.CITED}. Its figures are "
        "of the challenge's patients; ours are of "
        f"{len(patients)} ACDC patients that no network here learned from, and of {len(drawn)} "
        "drawn hearts: the two can stand side by side and not be subtracted. Values are mean ± "
        "standard deviation over images, at native geometry, of the right ventricle unless "
        "another structure is named.",
        "**No expert ever labelled a long axis of these patients.** The long axis is cut out of "
        "labelled short-axis stacks (blurred by slices 5 to 10 mm apart), or drawn; how well "
        "networks do on long-axis images as scanners make them is not known from this.",
        _shifted(hearts),
        "The thresholds of quality control were fitted on these same patients as they are, whose "
        "masks no network learned from, and which candidates a bundle carries may have been chosen "
        "by them: what depends on that is slightly too good.",
        f"{effort.mirrors} mirror image(s), where `cmrseg predict` takes four unless told "
        "otherwise; refinement of flagged images, at most "
        f"{effort.refined} of a cohort and view, up to {effort.refine_s:g} s each.",
        "\n".join(f"- {results.about}" for results in all_results),
    )


def _shifted(hearts: list[Heart]) -> str:
    """What shifted hearts are, as far as there are any."""
    real = dict.fromkeys(one.cohort for one in hearts if one.real and one.cohort not in CLEAN)
    told = [shifted_patients(real)]
    if any(not one.real for one in hearts):
        told.append("drawn hearts in held-out styles and with artefacts")
    return f"Shifted hearts: {'; '.join(filter(None, told)) or 'none'}."


def _claims(page: Page, all_results: list[Results]) -> None:
    page.say(
        "## Aims and claims",
        "Aims are for real patients' short axes as they are, full. The paper's claims are judged "
        "by the paired difference over patients: a gain is shown where all of its 95 % interval is "
        f"on the better side, no loss where all of it is better than -{LEEWAY['rv_dice']:g} Dice; "
        "contradicted is either where all of it is on the worse side. The interval alone decides: "
        "p may disagree, and neither is corrected for their number. Refinement harmed the "
        "paper's long axis; here batch norm stays frozen, only who answers an image is refined on "
        "it, and its mask is taken where it has come into range.",
    )
    page.table("aims", claims.aims(all_results))
    page.table("claims", claims.verdicts(all_results))


def _pathologies(page: Page, results: Results) -> None:
    page.say(f"## Table 1: by pathology ({results.name}, full)")
    page.table("table1", tables.table_1(results, "full"))
    page.say(
        f"Averages are 0.75 SA + 0.25 LA; the paper's, over its test set: DC {paper.AVERAGE[0]}, "
        f"HD {paper.AVERAGE[1]} mm. The paper has no group for infarction; its dilated left "
        "ventricle stands beside ACDC's dilated cardiomyopathy."
    )


def _ablation(page: Page, all_results: list[Results], effort: Effort) -> None:
    from cmrseg.reproduce.mnms2 import figures

    page.say(
        "## Figure 3: what each step brings",
        "M: the best single candidate, for each patient the best on all other patients' unshifted "
        "images; {M}+QC: what quality control chooses; full: after refinement. Flagged: out of "
        "distribution, all candidates out of range; refined: of those, how many were tried; kept: "
        "of those, in how many a refined candidate came into range.",
    )
    path = page.figure("ablation", "RV DC and HD by bundle, view and way, with standard errors")
    figures.save_ablation(all_results, path)
    page.table("ablation", tables.ablation(all_results))
    page.say(
        "Differences paired by patient (mean of both phases, and of all shifts where they are "
        "taken together), with 95 % bootstrap interval and "
        "Wilcoxon's signed-rank test, two-sided, not corrected for their number. Better is above "
        "zero for DC and below zero for HD."
    )
    page.table("steps", tables.steps(all_results))
    found = refined.endings(all_results)
    if found.lines:
        page.say(
            "### What became of refinement",
            "Of each flagged image the candidate that answers it is refined (both, where the "
            f"answer is the mean of two), in {effort.refine_s:g} s at most, until it is in range.",
        )
        page.table("endings", found)
        page.say(
            "Images with a refined candidate that was kept, before and after. A refined candidate "
            "takes its own place only: one that learned to please the autoencoder has a better "
            "pDC, and would take the place of better ones."
        )
        page.table("answers", refined.answers(all_results))
    page.say("### All structures, short axis, full")
    page.table("structures", tables.structures(all_results, "full"))


def _trios(page: Page, all_results: list[Results], pools: list[Results]) -> None:
    shipped = all_results[0]
    for view in VIEWS:
        found = trios(pools, view, shipped)
        if found.lines:
            page.say(
                f"## Which three candidates, {view}",
                "Candidates by number, in the order of the pool's line at the top; what quality "
                f"control ({shipped.name}'s, with its thresholds) takes of each trio, and what the "
                "best of the three would have been. Drawn hearts in training styles count as clean "
                "here. Differences in RV Dice from what is shipped are over all hearts, paired by "
                "patient as above.",
            )
            page.table(f"trios-{view}", found)
        found = kinds([*all_results, *pools], view)
        if found.lines:
            page.say(
                f"### Three of one run or of several, {view}",
                "What the three of a bundle are is said at the top: snapshots of one run, or "
                "different runs. Agreement: mean RV Dice between two of them; the more they agree "
                "the less there is to choose from. A bundle of fewer than three is not told of; "
                "of one whose candidates held out several folds drawn hearts alone are.",
            )
            page.table(f"kinds-{view}", found)


def _rules(page: Page, results: Results) -> None:
    page.say(
        f"## Which pieces are kept ({results.name}, {{M}}+QC)",
        "The same answers cleaned by each rule: without any, of the heart's pieces (all labels "
        f"together) the largest alone, or all of {100 * RIVAL:.0f} % of it and more. Which "
        "candidate answers is decided on masks cleaned as shipped. Means over patients (both "
        "phases, and all shifts where they are taken together), differences paired by patient as "
        "above. Better or worse is said where the 95 % interval lies on one side of zero.",
        *rules.verdicts(results, claims.AS_THEY_ARE, ALL_SHIFTED),
    )
    page.table("rules", rules.table(results, (claims.AS_THEY_ARE, ALL_SHIFTED)))


def _quality(page: Page, all_results: list[Results], scores: Mapping[str, dict[str, Any]]) -> None:
    from cmrseg.reproduce.mnms2 import figures
    from cmrseg.training.detection import table

    page.say("## Quality control")
    for number, results in enumerate(all_results):
        if any(one.pseudo for one in results.measured):
            words = f"pDC and pHD of {results.name}'s candidates, thresholds dashed"
            path = page.figure(f"distributions-{number}", words)
            figures.save_distributions(results, path)
    page.say("How well pseudo-measures tell true ones on masks of segmenters, all hearts here:")
    page.table("detection", verdicts.detection(all_results))
    page.say(
        "Whether the verdict can be trusted: answers that quality control chose, how many of them "
        "are poor, and how many are flagged as out of distribution."
    )
    page.table("verdicts", verdicts.hits(all_results))
    for name, one in scores.items():
        page.say(f"### {name}, by `cmrseg score-qc`", table(one).replace("# ", "#### ", 1).strip())


def _scores(path: Path) -> dict[str, Any]:
    """What `cmrseg score-qc` wrote.

    Raises:
        InputError: nothing of it.
    """
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = told["wrong_masks"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path.name} holds no scores of an autoencoder", "run `cmrseg score-qc` first"
        ) from error
    return told


def _about(name: str, found: Bundle) -> str:
    """A bundle in a line: digest, and what its networks are and learned from."""
    told = []
    for number, network in _numbered(found):
        training = network["training"]
        kind = training.get("configuration") or "compact"
        snapshot = f", snapshot {s['rank']}" if (s := training.get("snapshot")) else ""
        loss = ", generalised Dice" if training.get("dice") == "generalised" else ""
        learned = " and ".join(training["sources"])
        told.append(
            f"{network['recipe']} {number} ({kind}{snapshot}{loss}, "
            f"{steps_in_all(training['steps_done'], training.get('started_from'))} steps, "
            f"fold {training['fold']}, {learned})"
        )
    return f"{name}: {found.digest[:12]}: {'; '.join(told)}"


def _several_folds(found: Bundle) -> bool:
    """Whether there is no patient whom all of a bundle's networks held out."""
    return len({network["training"]["fold"] for network in found.networks}) > 1


def _files(found: Bundle) -> dict[str, tuple[str, ...]]:
    """View -> SHA-256 of each candidate's weights."""
    digests = found.manifest["files"]
    return {
        view: tuple(digests[n["file"]] for n in found.networks if n["recipe"] == recipe.name)
        for view, recipe in RECIPES.items()
    }


def _numbered(found: Bundle) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """A bundle's networks, counted by recipe from 1: the numbers of candidates."""
    counts: Counter[str] = Counter()
    for network in found.networks:
        counts[network["recipe"]] += 1
        yield counts[network["recipe"]], network


def _csv(grid: Grid) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([grid.header, *grid.lines])
    return text.getvalue()
