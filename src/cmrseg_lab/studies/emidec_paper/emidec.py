"""``cmrseg-lab reproduce emidec``: arega2021's tables and figures from a bundle and labelled data.

Every patient is scored by networks that never learned from it. Each patient takes one pass, kept
below ``work`` in the output folder; a run that was stopped goes on, and one that only draws tables
again computes no pass. Beside ``work`` lies what may be published: a page, tables and figures, in
which no patient's name or pixel stands.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cmrseg.cases.challenge import EMIDEC
from cmrseg.evaluation.table import TextTable
from cmrseg.runtime.errors import UsageError
from cmrseg_lab.studies.emidec_paper import tables, verdict
from cmrseg_lab.studies.emidec_paper.method import Method
from cmrseg_lab.studies.emidec_paper.scores import NEAR_MM
from cmrseg_lab.studies.emidec_paper.verdict import CITED
from cmrseg_lab.training.calibration.emidec_out_of_fold import RunSettings

PAGE = "README.md"


@dataclass(slots=True)
class Page:
    """A Markdown page that grows, with tables that are CSV files too.

    Attributes:
        out: folder of page, tables and figures.
        made: how the tables were made, told under each.
        parts: the page so far.
        files: what was written.
    """

    out: Path
    made: str
    parts: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def say(self, *words: str) -> None:
        """Add paragraphs."""
        self.parts += words

    def table(self, name: str, grid: TextTable) -> None:
        """Add a table, and write it as ``<name>.csv``."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([grid.header, *grid.lines])
        self.keep(f"{name}.csv", text.getvalue())
        self.say(grid.markdown(), f"<sub>{self.made}; [{name}.csv]({name}.csv)</sub>")

    def figure(self, name: str, words: str) -> Path:
        """Add a figure and return where to draw it."""
        self.say(f"![{words}]({name}.png)", words)
        self.files.append(self.out / f"{name}.png")
        return self.files[-1]

    def close(self) -> None:
        """Write the page."""
        self.keep(PAGE, "\n\n".join(self.parts) + "\n")

    def keep(self, name: str, text: str) -> None:
        """Write a file beside the page."""
        (self.out / name).write_text(text, encoding="utf-8")
        self.files.append(self.out / name)


PATIENTS = "patients.csv"


def reproduce(
    data: Path,
    out: Path,
    *,
    weights: Path | None = None,
    baseline: Path | None = None,
    source: str = EMIDEC.name,
    effort: RunSettings | None = None,
    styles: Sequence[str] = (),
    note: str = "",
    commit: str = "unknown",
    command: str = "cmrseg-lab reproduce emidec",
) -> Page:
    """Measure a bundle, and another trained without uncertainty beside it, and write the page.

    Args:
        data: the labelled data the bundles learned from, in the challenge's layout.
        out: page, tables, figures and ``work`` go here.
        weights: the proposed method's bundle; None for the usual places.
        baseline: the bundle trained with N = 1; None to leave the comparison out.
        source: the name the data was preprocessed under.
        effort: how to compute.
        styles: in which patients are shown once more, to see whether the verdict notices.
        note: what else the two bundles differ in, that their manifests cannot tell.
        commit: of the code, told under every table.
        command: how this was called, told under every table.

    Raises:
        InputError: nobody was held out, or the data are others than the networks learned from.
        UsageError: the two bundles held out no patient in common; or there is no such style.
    """
    effort, work = effort or RunSettings(), out / "work"
    out.mkdir(parents=True, exist_ok=True)
    proposed = Method.measured(
        "proposed", weights, data, work, source=source, effort=effort, with_rules=True
    )
    other = (
        Method.measured("baseline", baseline, data, work, source=source, effort=effort)
        if baseline
        else None
    )
    if other and not tables.shared(other, proposed):
        raise UsageError(
            "the two bundles held out no patient in common", "train the baseline on the same folds"
        )
    shifted = {
        style: Method.measured(
            style, weights, data, work, source=source, effort=replace(effort, style=style)
        )
        for style in styles
        if proposed.trusted and effort.samples > 1
    }
    digests = " and ".join(m.found.digest[:12] for m in (proposed, other) if m)
    page = Page(out, f"bundle {digests}; code {commit}; `{command}`")
    methods = [other, proposed] if other else [proposed]
    _head(page, methods)
    if other:
        _claims(page, other, proposed, note)
    _tables(page, other, proposed)
    _uncertainty(page, methods, shifted)
    _calibration(page, methods)
    _panels(page, methods, effort)
    _patients(page, methods)
    page.close()
    return page


def _head(page: Page, methods: list[Method]) -> None:
    page.say(
        "# EMIDEC: the paper's tables and figures, made anew",
        f"Made by `cmrseg-lab reproduce emidec`; do not edit. The paper: {CITED}. Its figures are "
        "of the challenge's hidden test set; ours are out of fold: every patient is scored by "
        "networks that never learned from it. Values are mean (standard deviation) over patients; "
        "a structure in neither mask counts as DSC 1. HD official carries the organisers' mistake "
        "in the order of axes, as all published figures do; HD is the right one. Brier scores (BS) "
        f"are told near the heart (the box around the expert's heart and {NEAR_MM:g} mm beyond in "
        "plane) and over whole images; the paper does not say which it means.",
        "\n".join(f"- {method.about()}" for method in methods),
        f"Aims out of fold, on labels that are blurred: {verdict.aims(methods[-1].rows)}.",
    )


def _claims(page: Page, baseline: Method, proposed: Method, note: str) -> None:
    columns = (*tables.COMPARED, *tables.BY_POSITION)
    found = tables.paired_by_metric(baseline, proposed, columns)
    both = len(tables.shared(baseline, proposed))
    page.say(
        "## Does the paper's claim reproduce?",
        "Proposed (uncertainty in the loss) less baseline, on the patients both held out. "
        "Reproduced: the 95 % bootstrap interval of the mean difference lies on the claimed side "
        "of zero; contradicted: on the other side; undecided: it holds zero.",
        *([note] if note else []),
        "\n".join(f"- {line}" for line in verdict.sentences(found)),
        "The paper claims a better HD of the scar too, without a figure; the challenge does not "
        "measure that one, and it is not judged here.",
    )
    page.table("comparison", tables.comparison(baseline, proposed, columns))
    page.say(f"Wilcoxon's signed-rank test, two-sided, over {both} patients; Holm's correction "
             "over the whole table.")  # fmt: skip


def _tables(page: Page, baseline: Method | None, proposed: Method) -> None:
    page.say("## Table 1: baseline against proposed")
    page.table("table1", tables.table_1(baseline, proposed))
    page.say("## Table 2: beside the challenge's best")
    page.table("table2", tables.table_2(proposed))
    if proposed.rules:
        page.say(
            "With rules: anatomical rules whose kinds and parameters were chosen on the other "
            f"parts than scored. Aims then: {verdict.aims(proposed.rules)}."
        )
    methods = [baseline, proposed] if baseline else [proposed]
    patients = _common(methods)
    page.say("## Figure 2: by slice position")
    page.table("positions", tables.by_position(methods, patients))
    from cmrseg_lab.studies.emidec_paper import figures

    path = page.figure(
        "positions", f"DSC and certainty by slice position, {len(patients)} patients"
    )
    figures.save_positions(methods, patients, path)


def _uncertainty(page: Page, methods: list[Method], shifted: dict[str, Method]) -> None:
    from cmrseg_lab.studies.emidec_paper import figures

    proposed, patients = methods[-1], _common(methods)
    page.say("## Does uncertainty point at what is wrong?")
    page.table("uncertainty", tables.uncertainty(proposed))
    page.say(
        "Means of DSC when only so large a share of patients, the most certain, is kept; the share "
        "of the best order is 1 for uncertainty that ranks patients as their DSC does, 0 for none.",
    )
    of = f"of the {len(patients)} patients that all methods here held out"
    path = page.figure("risk_coverage", f"Risk-coverage curves {of}")
    figures.save_risk_coverage(methods, patients, path)
    path = page.figure("agreement", f"Dice within samples (Eq. 6) against true Dice, {of}")
    figures.save_agreement(methods, patients, path)
    page.say("### Do the 95 % intervals of volumes hold the expert's volume?")
    page.table("intervals", tables.interval_table(proposed))
    if proposed.trusted:
        page.say(
            "### Does the verdict find the worse ones?",
            "Flagged: samples of a network agree less on cavity or myocardium than Tukey's lower "
            "fence of the patients in the other parts. The same patients are judged as they are "
            "and as scanners of other styles would show them; DSC is that without rules.",
        )
        page.table("verdicts", tables.verdicts(proposed, shifted))


def _calibration(page: Page, methods: list[Method]) -> None:
    from cmrseg_lab.studies.emidec_paper import figures

    patients = _common(methods)
    page.say("## Calibration near the heart")
    page.table("calibration", tables.calibration(methods, patients))
    path = page.figure("reliability", f"Reliability diagrams, {len(patients)} patients")
    figures.save_reliability(methods, patients, path)


def _panels(page: Page, methods: list[Method], effort: RunSettings) -> None:
    from cmrseg_lab.studies.emidec_paper.panels import save_panels

    page.say("## Figure 3: panels, on a synthetic heart")
    words = (
        "Image, truth, and each method's mask and sample variance at three slice positions; each "
        "by all networks of its bundle, so that variance is that between them too"
    )
    save_panels([(m.name, m.found) for m in methods], effort, page.figure("panels", words))


def _patients(page: Page, methods: list[Method]) -> None:
    """Every number by patient, under numbers instead of names."""
    names = sorted(set().union(*(method.rows for method in methods)))
    lines, columns = [], dict.fromkeys(("patient", "method", "group", "fold"))
    for method in methods:
        for number, name in enumerate(names, start=1):
            if one := method.scored.get(name):
                about = {"patient": number, "method": method.name}
                lines.append({**about, "group": one.group, "fold": one.fold, **one.row})
                columns |= dict.fromkeys(lines[-1])
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    page.keep(PATIENTS, text.getvalue())
    page.say(f"All of it by patient: [{PATIENTS}]({PATIENTS}).")


def _common(methods: list[Method]) -> set[str]:
    """Patients whom all methods held out."""
    return set.intersection(*(set(method.rows) for method in methods))
