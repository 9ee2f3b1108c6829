"""Data sets that networks here may have learned from: what a model card must say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cmrseg.models.manifest import DataEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data set's name, licence and what to cite; of some only the LV is drawn."""

    title: str
    licence: str
    cite: str
    lv_alone: bool = False

    def entry(self) -> DataEntry:
        """As a manifest has it."""
        return DataEntry(
            title=self.title, licence=self.licence, cite=self.cite, lv_alone=self.lv_alone
        )


SOURCES = {
    "acdc": Source(
        title="ACDC short-axis cine, end-diastole and end-systole (a public copy whose grey "
        "values were clipped and rescaled, without orientation)",
        licence="CC BY-NC-SA 4.0, research use",
        cite="Bernard et al., IEEE Transactions on Medical Imaging 37(11), 2018",
    ),
    "acdc-reformatted": Source(
        title="4-chamber slices cut out of ACDC short-axis stacks and their labels by "
        "`cmrseg-lab prepare`",
        licence="CC BY-NC-SA 4.0, research use",
        cite="Bernard et al., IEEE Transactions on Medical Imaging 37(11), 2018",
    ),
    "acdc-implanted": Source(
        title="ACDC short-axis cine recoloured as late enhancement, with infarcts put on by "
        "`cmrseg-lab prepare`",
        licence="CC BY-NC-SA 4.0, research use",
        cite="Bernard et al., IEEE Transactions on Medical Imaging 37(11), 2018",
    ),
    "mnms1-implanted": Source(
        title="M&Ms-1 short-axis cine recoloured as late enhancement, with infarcts put on by "
        "`cmrseg-lab prepare`",
        licence="the data set's own terms of use, research use",
        cite="Campello et al., IEEE Transactions on Medical Imaging 40(12), 2021",
    ),
    "mnms1-reformatted": Source(
        title="4-chamber slices cut out of M&Ms-1 short-axis stacks and their labels by "
        "`cmrseg-lab prepare`",
        licence="the data set's own terms of use, research use",
        cite="Campello et al., IEEE Transactions on Medical Imaging 40(12), 2021",
    ),
    "dsb2": Source(
        title="4-chamber frames of the second Data Science Bowl with the LV cavity drawn by its "
        "winners (a public copy in 8 bits, pixel sizes estimated; all but the LV is unknown)",
        licence="the competition's rules, research use",
        cite="Second Annual Data Science Bowl, Kaggle 2015/16; masks: woshialex/diagnose-heart",
        lv_alone=True,
    ),
    "mnms1": Source(
        title="M&Ms-1 short-axis cine of two vendors, end-diastole and end-systole (a public copy: "
        "the middle of each image in 8 bits, in-plane pixel sizes partly estimated)",
        licence="the data set's own terms of use, research use",
        cite="Campello et al., IEEE Transactions on Medical Imaging 40(12), 2021",
    ),
    "emidec": Source(
        title="EMIDEC late enhancement (recovered from 8-bit pictures: pixel sizes partly "
        "estimated, grey values scaled slice by slice)",
        licence="CC BY-NC-SA 4.0, research use",
        cite="Lalande et al., Data 5(4):89, 2020",
    ),
    "emidec-official": Source(
        title="EMIDEC late enhancement, as its organisers hand it out",
        licence="CC BY-NC-SA 4.0, research use",
        cite="Lalande et al., Data 5(4):89, 2020",
    ),
    "mnms2": Source(
        title="M&Ms-2, multi-disease, multi-view, multi-centre right ventricle",
        licence="as granted by its organisers",
        cite="Martin-Isla et al., IEEE Journal of Biomedical and Health Informatics, 2023",
    ),
    "synthetic": Source(
        title="synthetic hearts drawn by `cmrseg-lab synthesize`",
        licence="none needed, as no patient is in them",
        cite="this repository",
    ),
}


def is_synthetic(name: str) -> bool:
    """Whether a source is drawn hearts ("synthetic", "synthetic-la", ...)."""
    return name.startswith("synthetic")


def source(name: str) -> Source:
    """A known data set, or the user's own by the name it was preprocessed under."""
    if is_synthetic(name):
        return SOURCES["synthetic"]
    return SOURCES.get(name, Source(title=name, licence="as its owner grants", cite="not given"))


MADE_FROM = ("-reformatted", "-implanted")
"""Endings of sources that were made of another source's images."""


def is_made(name: str) -> bool:
    """Whether a source's labels were made, not drawn by an expert on that very image."""
    return is_synthetic(name) or name.endswith(MADE_FROM)


def patients_of(name: str) -> str | None:
    """The source whose patients these are; None where no patient is in it."""
    if is_synthetic(name):
        return None
    for ending in MADE_FROM:
        name = name.removesuffix(ending)
    return name


def learned_from(training: Mapping[str, Any]) -> set[str]:
    """All sources of a run and of the runs that it started from.

    Args:
        training: what a checkpoint or a manifest says of the run.
    """
    earlier = training.get("started_from")
    return set(training["sources"]) | (learned_from(earlier) if earlier else set())
