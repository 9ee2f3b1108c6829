"""The model card, generated from the manifest so that the two can never differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cmrseg.cases.challenge import EMIDEC, MNMS2
from cmrseg.models.manifest import BandEntry, Manifest, RulesEntry, TriedRule, TrustEntry
from cmrseg_lab.training.sources import is_made, is_synthetic, source

USE: Mapping[str, str] = {
    EMIDEC.name: "Segments the cavity, normal myocardium, infarction and no-reflow of the left "
    "ventricle in short-axis late-enhancement MR.",
    MNMS2.name: "Segments the left ventricle, the myocardium and the right ventricle in cine MR, "
    "short axis and 4-chamber long axis, at end-diastole and end-systole.",
}


def card(manifest: Manifest) -> str:
    """MODEL_CARD.md as text."""
    parts = [
        f"# Model card: {manifest['challenge']}",
        "Generated from `manifest.json` by `cmrseg-lab pack` and `cmrseg-lab validate --record`; "
        "do not edit.",
        f"**Intended use.** {USE[manifest['challenge']]} For research only: it is not a medical "
        "device and must never be the sole basis of a clinical decision.",
        "## Trained on",
        *(
            f"- **{name}**: {data['title']}. Licence: {data['licence']}. Cite: {data['cite']}."
            for name, data in manifest["data"].items()
        ),
        _licence(manifest),
        "## Networks",
        _networks(manifest),
        "## Scores out of fold",
        _scores(manifest),
        *(["## Quality control", _quality(manifest)] if _has_judges(manifest) else []),
        *(["## Anatomical rules", _rules(manifest["rules"])] if manifest.get("rules") else []),
        *(["## Intervals and verdict", _trust(manifest["trust"])] if manifest.get("trust") else []),
        "## Limits",
        *_limits(manifest),
    ]
    return "\n\n".join(parts).replace("\n\n- **", "\n- **", 99).rstrip() + "\n"


def _licence(manifest: Manifest) -> str:
    if any("NC" in data["licence"] for data in manifest["data"].values()):
        return (
            "Weights learned from non-commercial data are for non-commercial research only, "
            "under the same terms (CC BY-NC-SA 4.0)."
        )
    return "The weights may be used on the terms of the data named above."


def _networks(manifest: Manifest) -> str:
    rows = [
        "| file | sources | hearts | fold held out | steps | seed |",
        "|---|---|---|---|---|---|",
    ]
    for network in manifest["networks"]:
        t = network["training"]
        fold = "none" if t["fold"] is None else f"{t['fold']} of {t['folds']}"
        fold = t.get("without") or fold
        rows.append(
            f"| {network['file']} | {', '.join(t['sources'])} | {t['patients']} | {fold} "
            f"| {steps_in_all(t['steps_done'], t.get('started_from'))} | {t['seed']} |"
        )
    return "\n".join(rows)


def steps_in_all(steps: int, earlier: Mapping[str, Any] | None) -> int:
    """Steps of a run and of all it was started from (``started_from`` of what is told of it)."""
    while earlier:
        steps += earlier["steps"]
        earlier = earlier.get("started_from")
    return steps


def _has_judges(manifest: Manifest) -> bool:
    """Whether there is an autoencoder or a threshold."""
    judges = any(network["recipe"].endswith("-qc") for network in manifest["networks"])
    return judges or bool(manifest.get("quality"))


def _quality(manifest: Manifest) -> str:
    """What is in range, and how wide intervals of sizes are."""
    if not manifest.get("quality"):
        return (
            "Not calibrated: there are autoencoders but no thresholds, so nothing is judged "
            "(`cmrseg-lab calibrate`)."
        )
    rows = [
        "An image is out of distribution if the RV of every candidate lies outside this range.\n",
        "| image | pDC at least | pHD at most (mm) | pseudo-measures |",
        "|---|---|---|---|",
    ]
    for entry in manifest["quality"].values():
        for role, fences in entry["thresholds"].items():
            rows.append(
                f"| {_words(role)} | {fences['th_low']:.3f} | {fences['th_up_mm']:.1f} "
                f"| {fences['measures']} |"
            )
    rows += ["", *(f"- {n}: fitted on {e['fitted_on']}." for n, e in manifest["quality"].items())]
    bands = {
        f"{role}, {name}": band
        for entry in manifest["quality"].values()
        for role, own in entry.get("bands", {}).items()
        for name, band in own.items()
    }
    told = "Intervals of sizes (volumes in mL, areas in cm2, ejection fractions in %):\n"
    return "\n".join([*rows, "", told, *_bands(bands)] if bands else rows)


def _rules(rules: RulesEntry) -> str:
    """What was tried, and what it brought to patients on whom it was not chosen."""
    points = [name for name in rules["gain"] if name.endswith("dice")]
    rows = [
        f"| rule | shipped as | {' | '.join(map(_words, points))} |",
        f"|---|---|{'---:|' * len(points)}",
    ]
    together: TriedRule = {"rule": "all shipped", "kept": {}, "gain": rules["gain"]}
    for tried in (*rules["tried"], together):
        kept = tried["kept"]
        with_what = [f"{k} {v}" for k, v in (kept or {}).items() if k != "rule"]
        told = "left out" if kept is None else ", ".join(with_what)
        gains = " | ".join(f"{100 * tried['gain'][name]:+.2f}" for name in points)
        rows.append(f"| {_words(tried['rule'])} | {told} | {gains} |")
    for told, gain in (("without any", 0.0), ("with all shipped", 1.0)):
        dice = [rules["without"][name] + gain * rules["gain"][name] for name in points]
        rows.append(f"| Dice {told} (%) | | {' | '.join(f'{100 * d:.2f}' for d in dice)} |")
    told = f"Gains are in points of Dice, measured on {rules['chosen_on']}."
    return f"{told}\n\n" + "\n".join(rows)


def _trust(trust: TrustEntry) -> str:
    """How wide intervals are, and from where on a case is flagged."""
    fences = ", ".join(f"{_words(name)} {fence:.3f}" for name, fence in trust["fences"].items())
    told = (
        "A case is flagged if the dropout samples of a network agree with one another (Dice) less "
        f"than this: {fences}."
    )
    fitted = f"Fitted on {trust['fitted_on']}."
    return "\n".join(_bands(trust["bands"])) + "\n\n" + " ".join([told] * bool(fences) + [fitted])


def _bands(bands: Mapping[str, BandEntry]) -> list[str]:
    """A table of errors to expect (``uncertainty.conformal``)."""
    rows = [
        "| measure | half the width of its interval | holds the truth in | patients |",
        "|---|---|---|---|",
    ]
    for name, band in bands.items():
        wide = f"{100 * band['share']:.0f} % of (value + {band['typical']:.1f})"
        level = f"{100 * band['level']:.0f} %"
        rows.append(f"| {_words(name)} | {wide} | {level} | {band['patients']} |")
    return rows


def _words(name: str) -> str:
    """A name from code as words; roles (``SA_ED``) as well."""
    return name.replace("_", " ")


def _scores(manifest: Manifest) -> str:
    scores = manifest.get("scores_out_of_fold")
    if not scores:
        return "Not measured yet."
    told = f"Measured on {scores['cases']} held-out cases by `{scores['command']}`."
    if manifest.get("rules"):
        told += (
            " The anatomical rules below were chosen on these patients, which makes the table "
            "slightly too good; what they bring to patients on whom they were not chosen is told "
            "there."
        )
    return f"{told}\n\n{scores['table']}"


def _lv_alone(training: Mapping[str, Any]) -> bool:
    """Whether experts drew the LV alone on all of a network's real images."""
    real = [source(s) for s in training["sources"] if not is_made(s)]
    return bool(real) and all(one.lv_alone for one in real)


def _limits(manifest: Manifest) -> list[str]:
    limits = []
    made_only = sorted(
        {
            n["recipe"]
            for n in manifest["networks"]
            if all(is_made(s) for s in n["training"]["sources"])
        }
    )
    if made_only:
        noun, verb = ("Network", "was") if len(made_only) == 1 else ("Networks", "were")
        limits.append(
            f"{noun} {' and '.join(made_only)} learned from synthetic or reformatted hearts alone "
            f"and {verb} **never validated on real labels**."
        )
    partly = sorted({n["recipe"] for n in manifest["networks"] if _lv_alone(n["training"])})
    if partly:
        limits.append(
            f"{' and '.join(partly)}: on real images only the LV was drawn, so the LV alone was "
            "validated on real labels; myocardium and RV were learned from synthetic or "
            "reformatted hearts and **never validated on real labels**."
        )
    if not all(is_synthetic(name) for name in manifest["data"]):
        limits.append(
            "Scores are of held-out patients of the same data sets; expect worse ones of other "
            "scanners and diseases, and look at the uncertainty or agreement that comes with every "
            "result."
        )
    return limits or ["None known."]
