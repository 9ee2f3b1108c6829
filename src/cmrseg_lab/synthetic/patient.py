"""One synthetic patient in memory: the public way in for training code.

EMIDEC patients have made-up clinical fields that fit the heart. The organisers' files have 13
(Lalande et al., Data 5(4):89, 2020), the first being the gap between slices. Some of their colons
follow a no-break space in Latin-1, which is not UTF-8: a reader that assumes UTF-8 fails on them,
so the synthetic files have it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cmrseg.cases.challenge import EMIDEC, MNMS2, SPECS
from cmrseg.imaging.volume import Volume
from cmrseg.runtime.errors import UsageError
from cmrseg_lab.synthetic import anatomy, artefacts, contrast, groups, strengths, styles, views
from cmrseg_lab.synthetic.abdomen import Body, draw_body
from cmrseg_lab.synthetic.exam import Exam, Scene
from cmrseg_lab.synthetic.infarct import Infarct, draw_infarct
from cmrseg_lab.synthetic.profiles import rv_volume_ml

NO_BREAK = "\xa0"


def draw_clinical(rng: np.random.Generator, sick: bool, ef: float) -> dict[str, str | float]:
    """Fields 2 to 13 of a patient, by the names in the files.

    Args:
        rng: all randomness.
        sick: whether the heart has an infarct.
        ef: LV ejection fraction, 0 to 1.
    """
    yes = _Coin(rng)
    return {
        "Sex" + NO_BREAK: "M" if rng.random() < (0.77 if sick else 0.53) else "F",
        "Age": int(np.clip(rng.normal(60 if sick else 64, 12), 24, 93)),
        "Tobacco": int(rng.integers(1, 4)),
        "Overweight": yes(0.45),
        "Arterial hypertension": yes(0.45),
        "Diabetes": yes(0.2),
        "Familial history of coronary artery disease": yes(0.25),
        "ECG (ST +)": yes(0.7 if sick else 0.15),
        "Troponin": round(float(np.exp(rng.normal(4.2 if sick else 0.3, 1.0))), 1),
        "Killip Max": int(min(1 + rng.geometric(0.75 if sick else 0.93) - 1, 4)),
        # echocardiography rounds to five per cent
        "FEVG": int(5 * round(100 * ef / 5)),
        "NTProBNP": int(np.exp(rng.normal(6.6 if sick else 5.2, 1.0))),
    }


def clinical_text(case_name: str, gap_mm: float, fields: Mapping[str, str | float]) -> bytes:
    """The text file of a case, Latin-1 as the organisers' are.

    Args:
        case_name: ``Case P001``, with a space.
        gap_mm: distance of slices.
        fields: from :func:`draw_clinical`.
    """
    lines = [case_name, "", f"Gap between slices{NO_BREAK}: {gap_mm:g} mm"]
    lines += [f"{name.rstrip(' ')}: {value}" for name, value in fields.items()]
    return ("\n".join(lines) + "\n").encode("latin-1")


class _Coin:
    """Y or N."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def __call__(self, chance: float) -> str:
        return "Y" if self.rng.random() < chance else "N"


Rngs = tuple[np.random.Generator, np.random.Generator]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntheticPatient:
    """Images and labels by role, and the truth behind them.

    Attributes:
        images: role (``SA_ED``, ``SA_ES``, ``LA_ED``, ``LA_ES``; ``LGE``) -> int16 image.
        labels: the same roles -> uint8 labels on the same voxels, in the challenge's codes.
        facts: group, style, scanner, true volumes in mL and the like; JSON-ready.
    """

    images: Mapping[str, Volume]
    labels: Mapping[str, Volume]
    facts: Mapping[str, Any] = field(default_factory=dict)


def draw_patient(
    challenge: str,
    seed: int,
    *,
    group: str | None = None,
    style: str = "in",
    artefact: str | None = None,
) -> SyntheticPatient:
    """A synthetic patient of a challenge.

    Args:
        challenge: ``emidec`` or ``mnms2``.
        seed: equal seeds give equal patients, in any process.
        group: disease, one of :data:`cmrseg_lab.synthetic.groups.NAMES`; drawn if None.
        style: ``in``, ``out`` or the name of a style.
        artefact: what goes wrong, see :func:`cmrseg_lab.synthetic.strengths.parse`.

    Raises:
        UsageError: see :func:`check_request`.
    """
    check_request(challenge, seed, group=group, style=style, artefact=artefact)
    rng = np.random.default_rng(seed)
    # artefacts have their own randomness: strength 0 leaves the patient as it was
    rngs = rng, np.random.default_rng([seed, 1])
    if group is None:
        mix = groups.MNMS2_MIX if challenge == MNMS2.name else groups.EMIDEC_MIX
        group = groups.draw_group(rng, mix)
    draw = _draw_mnms2 if challenge == MNMS2.name else _draw_emidec
    return draw(rngs, group, style, strengths.parse(artefact, challenge))


def check_request(
    challenge: str, seed: int, *, group: str | None, style: str, artefact: str | None
) -> None:
    """Refuse what :func:`draw_patient` cannot draw, before anything is drawn.

    Raises:
        UsageError: no such challenge, seed, group, style or artefact.
    """
    if challenge not in SPECS:
        raise UsageError(f"there is no challenge {challenge!r}", f"choose {' or '.join(SPECS)}")
    if seed < 0:
        raise UsageError(f"{seed} is no seed", "give a whole number from 0")
    for what, name, known in (
        ("group", group, groups.NAMES[challenge]),
        ("style", style, styles.NAMES[challenge]),
    ):
        if name is not None and name not in known:
            raise UsageError(
                f"there is no {what} {name!r} in {challenge}", f"choose one of {', '.join(known)}"
            )
    strengths.parse(artefact, challenge)


def _draw_mnms2(
    rngs: Rngs, group: str, style: str, spoilt: Mapping[str, float]
) -> SyntheticPatient:
    rng = rngs[0]
    name, look = styles.choose_style(rng, MNMS2.name, style)
    heart = anatomy.draw_heart(rng, group)
    pose = views.draw_pose(rng, heart)
    table = contrast.draw_contrast(rng, contrast.CINE, look.spread)
    table = replace(table, fat=abs(table.fat) * look.fat_sign)
    scene = Scene(heart=heart, pose=pose, body=_body(rng, heart, pose), contrast=table)
    images, labels = {}, {}
    for view_name, view in (
        ("SA", views.short_axis(rng, heart, pose, look)),
        ("LA", views.four_chamber(rng, heart, pose, look)),
    ):
        exam = Exam.draw(rng, scene, view, look, spoilt)
        pairs = exam.images(*rngs, (heart.ed, heart.es))
        for phase_name, pair in zip(("ED", "ES"), pairs, strict=True):
            role = f"{view_name}_{phase_name}"
            images[role], labels[role] = pair
    return SyntheticPatient(images=images, labels=labels, facts=_facts(heart, name, look))


def _draw_emidec(
    rngs: Rngs, group: str, style: str, spoilt: Mapping[str, float]
) -> SyntheticPatient:
    rng = rngs[0]
    name, look = styles.choose_style(rng, EMIDEC.name, style)
    heart = anatomy.draw_heart(rng, group)
    pose = views.draw_pose(rng, heart)
    table = contrast.draw_late(rng, look.spread)
    if spoilt.get("inversion"):
        table = artefacts.wrong_inversion(table, spoilt["inversion"])
    infarct = _infarct(rng) if group == "P" else None
    scene = Scene(
        heart=heart, pose=pose, body=_body(rng, heart, pose), contrast=table, infarct=infarct
    )
    exam = Exam.draw(rng, scene, views.short_axis(rng, heart, pose, look), look, spoilt)
    ((image, label),) = exam.images(*rngs, (heart.ed,))
    facts = _facts(heart, name, look) | {"infarct": infarct.artery if infarct else None}
    ef = 1 - facts["lv_es_ml"] / facts["lv_ed_ml"]
    facts["clinical"] = draw_clinical(rng, infarct is not None, ef)
    return SyntheticPatient(images={"LGE": image}, labels={"LGE": label}, facts=facts)


def _infarct(rng: np.random.Generator) -> Infarct:
    """An infarct as in EMIDEC: a fifth of the wall on average, no-reflow in two of three."""
    share = float(np.clip(rng.gamma(3.3, 0.067), 0.03, 0.55))
    core = float(rng.beta(1.4, 4.5)) if rng.random() < 0.4 + share else 0.0
    return draw_infarct(rng, share, core)


def _body(rng: np.random.Generator, heart: anatomy.Heart, pose: views.Pose) -> Body:
    """A trunk whose diaphragm carries the heart."""
    apex = pose.to_patient((0.0, 0.0, -heart.ed.epi.length_mm))
    lowest = min(float(apex[2]), float(pose.origin_mm[2])) - 0.6 * heart.ed.epi.radius_mm
    return draw_body(rng, lowest + float(rng.normal(34, 6)))


def _facts(heart: anatomy.Heart, name: str, look: styles.Style) -> dict[str, Any]:
    volumes = {}
    for phase_name, phase in (("ed", heart.ed), ("es", heart.es)):
        cavity = phase.endo.volume_ml()
        volumes[f"lv_{phase_name}_ml"] = round(cavity, 2)
        volumes[f"myocardium_{phase_name}_ml"] = round(phase.epi.volume_ml() - cavity, 2)
        volumes[f"rv_{phase_name}_ml"] = round(rv_volume_ml(phase), 2)
    return {
        "group": heart.group,
        "style": name,
        "vendor": look.vendor,
        "scanner": look.scanner,
        "field_tesla": look.field_tesla,
        **volumes,
    }
