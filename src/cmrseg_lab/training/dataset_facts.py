"""What is known of the data sets that networks here learn from, for their datasheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cmrseg.cases.challenge import EMIDEC, MNMS2


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What nobody can generate.

    Attributes:
        motivation: why and by whom it was made.
        composition: what is in it, in lines.
        provenance: where our copy comes from and what was done to it.
        limits: what is known to be wrong with it or missing.
    """

    motivation: str
    composition: Sequence[str]
    provenance: str
    limits: Sequence[str]


_ACDC_LIMITS = (
    "One hospital and one vendor: scanners of others look different.",
    "Sex, age and ethnicity of the patients are not in the copy; whom it under-represents is "
    "unknown.",
    "No position and no angle: where the heart lies in the patient is lost.",
)

FACTS: dict[str, Facts] = {
    "acdc": Facts(
        motivation="The Automated Cardiac Diagnosis Challenge of 2017, Dijon: segmentation of "
        "cine MR and diagnosis from it.",
        composition=(
            "Short-axis cine stacks of clinical patients in five groups of equal size: normal, "
            "dilated and hypertrophic cardiomyopathy, old infarct, abnormal right ventricle; 1.5 "
            "and 3 tesla.",
            "End-diastole and end-systole of each, drawn by experts: LV cavity, myocardium, RV "
            "cavity (here in the codes of M&Ms-2: 1, 2, 3).",
        ),
        provenance="A public copy that others published: the brightest 1 % of each volume was "
        "clipped and grey values were scaled volume by volume. Matrix and voxel size are the "
        "originals'.",
        limits=(*_ACDC_LIMITS, "The grey scales of a patient's two phases differ slightly."),
    ),
    "mnms1": Facts(
        motivation="The Multi-Centre, Multi-Vendor and Multi-Disease challenge of 2020: "
        "segmentation of cine MR that holds on scanners it was not trained on.",
        composition=(
            "Short-axis cine stacks of clinical patients and volunteers, 60 of Siemens and 60 of "
            "Philips scanners, of three centres in Spain and Germany.",
            "End-diastole and end-systole of each, drawn by experts: LV cavity, myocardium, RV "
            "cavity.",
        ),
        provenance="A public copy that others published: the middle 192 x 192 pixels of each image "
        "in 8 bits, scaled volume by volume after clipping the brightest 0.1 %.",
        limits=(
            "In-plane pixel sizes are estimated (mean error 3 to 5 %, in single cases up to 25 %): "
            "good for training, not for volumes in mL.",
            "Hearts at the edge of the image are cut.",
            "No position and no angle; slices mostly run from apex to base.",
        ),
    ),
    "acdc-reformatted": Facts(
        motivation="Four-chamber long-axis images with labels, of which none were at hand.",
        composition=(
            "One slice a phase, cut through the apex and both ventricles of an ACDC stack and of "
            "its labels, interpolated between short-axis slices 5 to 10 mm apart.",
        ),
        provenance="Made by `cmrseg-lab prepare mnms2-la` from the ACDC copy "
        "([acdc](acdc.md)); nothing of it is distributed.",
        limits=(
            "No long-axis acquisition: blurred along the heart's axis, without atria that anybody "
            "labelled, valves where the short-axis labels end.",
            "Labels were cut, not drawn: no expert ever saw them.",
            *_ACDC_LIMITS,
        ),
    ),
    "mnms1-implanted": Facts(
        motivation="Late-enhancement hearts with known infarcts of two more vendors.",
        composition=(
            "M&Ms-1's short-axis stacks recoloured as late enhancement; most with an infarct of "
            "random territory and transmurality, some with no-reflow in it.",
        ),
        provenance="Made by `cmrseg-lab prepare emidec` from the M&Ms-1 copy; nothing of it is "
        "distributed.",
        limits=(
            "Infarcts are drawn by rules, not by disease; no late-enhancement scanner made the "
            "images.",
            "The middle of each image in 8 bits; in-plane pixel sizes are partly estimated.",
        ),
    ),
    "mnms1-reformatted": Facts(
        motivation="Four-chamber long-axis images with labels, of two more vendors.",
        composition=(
            "Three slices a phase, cut through the apex and both ventricles of an M&Ms-1 stack and "
            "of its labels, 20 degrees apart.",
        ),
        provenance="Made by `cmrseg-lab prepare mnms2-la` from the M&Ms-1 copy; nothing of it is "
        "distributed.",
        limits=(
            "No long-axis acquisition: blurred along the heart's axis, without atria that anybody "
            "labelled, valves where the short-axis labels end.",
            "Labels were cut, not drawn: no expert ever saw them.",
        ),
    ),
    "dsb2": Facts(
        motivation="The second Data Science Bowl (2015): volumes of the left ventricle from cine "
        "MR. Its winners drew the LV cavity on four-chamber frames.",
        composition=(
            "615 four-chamber frames of 310 patients, most with two frames of different phases.",
            "The LV cavity, papillary muscles inside, up to a straight line at the mitral valve. "
            "Outside of it nothing is known: no myocardium, no RV, no atria.",
        ),
        provenance="A public copy that others published: frames cut to a square and resized, some "
        "turned or mirrored, 8 bits, once JPEG.",
        limits=(
            "Pixel sizes are estimated from the short axis of the same patient, to about 10 %.",
            "Which frame is end-diastole is not said: the larger of two drawn ventricles is taken "
            "for it.",
            "In one patient the mask is probably in the wrong ventricle.",
        ),
    ),
    "acdc-implanted": Facts(
        motivation="More late-enhancement hearts with known infarcts than EMIDEC has.",
        composition=(
            "ACDC's short-axis stacks recoloured as late enhancement; most with an infarct of "
            "random territory and transmurality, some with no-reflow in it.",
        ),
        provenance="Made by `cmrseg-lab prepare emidec` from the ACDC copy "
        "([acdc](acdc.md)); nothing of it is distributed.",
        limits=(
            "Infarcts are drawn by rules, not by disease; no late-enhancement scanner made the "
            "images.",
            *_ACDC_LIMITS,
        ),
    ),
    "emidec": Facts(
        motivation="The EMIDEC challenge of 2020, Dijon: is there an infarct in late-enhancement "
        "MR, and how large is it?",
        composition=(
            "Short-axis late-enhancement stacks of patients who came with an acute cardiac event, "
            "about two thirds of them pathological; 5 to 10 slices.",
            "Drawn by experts: cavity, normal myocardium, infarction, no-reflow (1 to 4).",
            "Expert labels are themselves uncertain: between two observers the Dice was about 83 "
            "% for myocardium and 69 % for infarction.",
        ),
        provenance="Recovered from 8-bit pictures that others published, stretched to one size "
        "and scaled slice by slice. Aspect ratios were traced or estimated, voxel sizes partly "
        "estimated.",
        limits=(
            "One hospital: scanners of others look different.",
            "Voxel sizes are estimates in some cases, mostly within 5 to 10 %, in single ones 30 "
            "%: so are volumes in mL. Some slice distances of 10 mm are really 13 mm.",
            "The grey scale jumps between slices, as it does not in the original.",
            "Labels lie half a pixel off the images.",
            "The clinical fields that come with the original are not in the copy.",
        ),
    ),
    "emidec-official": Facts(
        motivation="The EMIDEC challenge of 2020, Dijon: is there an infarct in late-enhancement "
        "MR, and how large is it?",
        composition=(
            "Short-axis late-enhancement stacks of 100 patients who came with an acute cardiac "
            "event, 67 of them pathological, with 13 clinical fields each.",
            "Drawn by experts: cavity, normal myocardium, infarction, no-reflow (1 to 4).",
            "Expert labels are themselves uncertain: between two observers the Dice was about 83 "
            "% for myocardium and 69 % for infarction.",
        ),
        provenance="From its organisers; no copy was at hand where this was written.",
        limits=("One hospital: scanners of others look different.",),
    ),
    "mnms2": Facts(
        motivation="The M&Ms-2 challenge of 2021: the right ventricle across diseases, views, "
        "vendors and centres.",
        composition=(
            "Short-axis and 4-chamber long-axis cine of 360 patients, 160 of them for training; "
            "eight groups, two of which are in validation and test alone; three vendors.",
            "End-diastole and end-systole of each, drawn by experts: LV, myocardium, RV (1, 2, 3).",
        ),
        provenance="From its organisers, to whoever is granted it; no copy was at hand where this "
        "was written.",
        limits=("Centres of one country: other populations may differ.",),
    ),
}


def synthetic_facts() -> Facts:
    """What the generator says of itself, so that its sheet goes stale when it changes."""
    from cmrseg_lab.synthetic import groups, strengths, styles, synthesize

    composition = []
    for challenge, mix in ((EMIDEC.name, groups.EMIDEC_MIX), (MNMS2.name, groups.MNMS2_MIX)):
        shares = ", ".join(f"{name} {share:.0%}" for name, share in mix.items())
        tables = styles.TABLES[challenge]
        seen, unseen = (
            ", ".join(f"{name} ({s.vendor}, {s.field_tesla:g} T)" for name, s in table.items())
            for table in (tables["in"], tables["out"])
        )
        spoilt = ", ".join(strengths.NAMES[challenge])
        composition += [
            f"{challenge}: groups {shares}. Looks of training data: {seen}; held out: {unseen}. "
            f"Artefacts on request: {spoilt}.",
        ]
    return Facts(
        motivation="Labelled hearts for everybody: to try, test and train everything here without "
        "patients, and to know the truth exactly.",
        composition=(
            "Ventricles, atria, chest and abdomen as shapes whose sizes follow published means "
            "and deviations by disease; images with the contrast, resolution and noise of a "
            "scanner.",
            *composition,
        ),
        provenance=f"Drawn by `cmrseg-lab synthesize` (generation {synthesize.GENERATION} of the "
        "generator) from a seed: the same seed draws the same patients.",
        limits=(
            "Simpler than hearts are: a network trained on them alone finds real hearts, but less "
            "well than one trained on real ones, and it leaves islands far from them "
            "([measured](../results/transfer.md)).",
            "Sizes are adults' of the cited studies; no children, no surgery beyond the named "
            "groups.",
            "Labels are exact, as no expert's are: networks learn no observer's habits from them.",
            "At the base of the short axis labels may end on a straight line through visible blood "
            "(a valve plane is a plane), the RV and rarely the myocardium may be in pieces there, "
            "and labels hold specks of a pixel or two; infarcts are nearly always one piece, real "
            "ones often are not ([how often](../results/realism.md)). Below the "
            "aortic root lies a wedge of one even dark grey.",
        ),
    )
