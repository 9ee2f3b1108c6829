"""The model card, generated from the manifest so that the two can never differ."""

from __future__ import annotations

from typing import Any

from cmrseg.training.sources import is_made, is_synthetic

CARD = "MODEL_CARD.md"

USE = {
    "emidec": "Short-axis late-enhancement MR of the left ventricle: cavity, normal myocardium, "
    "infarction, no-reflow.",
    "mnms2": "Cine MR at end-diastole and end-systole, short axis and 4-chamber long axis: left "
    "ventricle, myocardium, right ventricle.",
}


def card(manifest: dict[str, Any]) -> str:
    """MODEL_CARD.md as text."""
    parts = [
        f"# Model card: {manifest['challenge']}",
        "Generated from `manifest.json` by `cmrseg pack` and `cmrseg validate --record`; "
        "do not edit.",
        f"**Intended use.** {USE[manifest['challenge']]} For research; not a medical device, "
        "never the sole basis of a clinical decision.",
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
        *(["## Quality control", _quality(manifest)] if manifest.get("quality") else []),
        *(["## Anatomical rules", _rules(manifest["rules"])] if manifest.get("rules") else []),
        *(["## Intervals and verdict", _trust(manifest["trust"])] if manifest.get("trust") else []),
        "## Limits",
        *_limits(manifest),
    ]
    return "\n\n".join(parts).replace("\n\n- **", "\n- **", 99).rstrip() + "\n"


def _licence(manifest: dict[str, Any]) -> str:
    if any("NC" in data["licence"] for data in manifest["data"].values()):
        return (
            "Weights learned from non-commercial data are for non-commercial research only, "
            "under the same terms (CC BY-NC-SA 4.0)."
        )
    return "The weights are as free as the data named above."


def _networks(manifest: dict[str, Any]) -> str:
    rows = [
        "| file | sources | patients | fold held out | steps | seed |",
        "|---|---|---|---|---|---|",
    ]
    for network in manifest["networks"]:
        t = network["training"]
        fold = "none" if t["fold"] is None else f"{t['fold']} of {t['folds']}"
        rows.append(
            f"| {network['file']} | {', '.join(t['sources'])} | {t['patients']} | {fold} "
            f"| {steps_in_all(t['steps_done'], t.get('started_from'))} | {t['seed']} |"
        )
    return "\n".join(rows + _snapshots(manifest))


def _snapshots(manifest: dict[str, Any]) -> list[str]:
    """How those networks were chosen that are no run's last weights."""
    told = [
        f"- {n['file']}: snapshot {s['rank']} of {s['of']}, chosen by validation Dice "
        f"{s['dice']:.3f} on patients of fold {n['training']['choose_fold']}, whom it never "
        "learned from."
        for n in manifest["networks"]
        if (s := n["training"].get("snapshot"))
    ]
    return ["", *told] if told else []


def steps_in_all(steps: int, earlier: dict[str, Any] | None) -> int:
    """Steps of a run and of all it was started from (``started_from`` of what is told of it)."""
    while earlier:
        steps += earlier["steps"]
        earlier = earlier.get("started_from")
    return steps


def _quality(manifest: dict[str, Any]) -> str:
    rows = [
        "| image | RV in range from pDC | to pHD (mm) | pseudo-measures | fitted on |",
        "|---|---|---|---|---|",
    ]
    for entry in manifest["quality"].values():
        for role, fences in entry["thresholds"].items():
            rows.append(
                f"| {role} | {fences['th_low']:.3f} | {fences['th_up_mm']:.1f} "
                f"| {fences['measures']} | {entry['fitted_on']} |"
            )
    return "\n".join(rows)


def _rules(rules: dict[str, Any]) -> str:
    """What was tried, and what it brought to patients on whom it was not chosen."""
    points = [name for name in rules["gain"] if name.endswith("dice")]
    rows = [
        f"| rule | shipped as | {' | '.join(points)} |",
        f"|---|---|{'---:|' * len(points)}",
    ]
    together = {"rule": "all shipped", "kept": {}, "gain": rules["gain"]}
    for tried in (*rules["tried"], together):
        kept = tried["kept"]
        with_what = [f"{k} {v}" for k, v in (kept or {}).items() if k != "rule"]
        told = "left out" if kept is None else ", ".join(with_what)
        gains = " | ".join(f"{100 * tried['gain'][name]:+.2f}" for name in points)
        rows.append(f"| {tried['rule']} | {told} | {gains} |")
    for told, gain in (("without any", 0.0), ("with all shipped", 1.0)):
        dice = [rules["without"][name] + gain * rules["gain"][name] for name in points]
        rows.append(f"| Dice {told} (%) | | {' | '.join(f'{100 * d:.2f}' for d in dice)} |")
    return f"Gains in points of Dice; {rules['chosen_on']}.\n\n" + "\n".join(rows)


def _trust(trust: dict[str, Any]) -> str:
    """How wide intervals are, and from where on a case is flagged."""
    rows = ["| measure | half width of its interval | holds | patients |", "|---|---|---|---|"]
    for name, band in trust["bands"].items():
        wide = f"{100 * band['share']:.0f} % of (itself + {band['typical']:.1f})"
        rows.append(f"| {name} | {wide} | {100 * band['level']:.0f} % | {band['patients']} |")
    fences = ", ".join(f"{name} {fence:.3f}" for name, fence in trust["fences"].items())
    told = f"Flagged when dropout samples of a network agree (Dice) less than: {fences}."
    fitted = f"Fitted on {trust['fitted_on']}."
    return "\n".join(rows) + "\n\n" + " ".join([told] * bool(fences) + [fitted])


def _scores(manifest: dict[str, Any]) -> str:
    scores = manifest.get("scores_out_of_fold")
    if not scores:
        return "Not measured yet."
    told = f"{scores['cases']} held-out cases, measured by `{scores['command']}`."
    if manifest.get("rules"):
        told += (
            " The anatomical rules below were chosen on these patients, so the table is slightly "
            "too good; what they bring to patients they were not chosen on stands with them."
        )
    return f"{told}\n\n{scores['table']}"


def _limits(manifest: dict[str, Any]) -> list[str]:
    limits = []
    made_only = sorted(
        {
            n["recipe"]
            for n in manifest["networks"]
            if all(is_made(s) for s in n["training"]["sources"])
        }
    )
    if made_only:
        limits.append(
            f"{', '.join(made_only)} learned from synthetic or reformatted hearts alone and was "
            "**never validated on real labels**."
        )
    if not all(is_synthetic(name) for name in manifest["data"]):
        limits.append(
            "Scores come from held-out patients of the same data; other scanners and diseases "
            "may do worse. Look at the uncertainty or agreement that comes with every result."
        )
    return limits or ["None known."]
