"""The comparison of autoencoders, on scores with known answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cmrseg import cli
from cmrseg.errors import EXIT_INPUT, EXIT_OK, EXIT_USAGE, InputError, UsageError
from cmrseg.reproduce.autoencoders import (
    Scored,
    check_same,
    differences,
    measures,
    repeats,
    value,
    what_they_are,
)
from cmrseg.reproduce.quality import compare_autoencoders
from cmrseg.training.autoencoder_config import configurations
from cmrseg.training.wrong import MIXED, SPOILED

PATIENTS = [0, 0, 1, 1, 2, 2, 3, 3]
DICE = list(np.linspace(0.2, 0.97, 16).round(3))


def kind(pdc, repeated=0.5, dice=DICE):
    return {
        "image": [i // 2 for i in range(16)], "dice": dice, "pdc": list(pdc),
        "repeats": [None, *[repeated] * 15],
    }  # fmt: skip


def told(pdc=DICE, true=0.95, repeated=0.5, recipe="mnms2-sa-qc", slices=3):
    masks = {MIXED: kind(pdc, repeated), SPOILED: kind(pdc), "empty slice": kind(DICE, repeated)}
    row = {"masks": 16, "poor": 10, "repeats": repeated}
    images = [{"RV": {"pdc": true + 0.001 * i, "phd_mm": 5.0 + i}} for i in range(8)]
    training = configurations(recipe)["compact"].altered(slices=slices, steps=20)
    return {
        "recipe": recipe, "steps": 20, "stacks": 8, "sources": ["hospital"], "patients": PATIENTS,
        "images": images, "masks": masks, "wrong_masks": dict.fromkeys(masks, row),
        "checkpoint": {
            "sha256": "ab" * 32, "parameters": 1_230_000, "latent": [48, 8, 8], "steps_in_all": 50,
            "training": training.as_dict(),
        },
    }  # fmt: skip


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch):
    monkeypatch.setattr("cmrseg.reproduce.autoencoders.DRAWS", 60)


@pytest.fixture
def good():
    return Scored("good", told())


@pytest.fixture
def fooled():
    return Scored("fooled", told(pdc=[1.0] * 16, true=0.85, repeated=1.0, slices=1))


def numbers(scored):
    return {m.title: value(scored, m) for m in measures(scored)}


def test_measures_of_known_scores(good, fooled):
    found = {title: v.all for title, v in numbers(good).items()}
    assert found["RV Dice of true masks"] == pytest.approx(0.9535)
    assert found["RV HD of true masks (mm)"] == pytest.approx(8.5)
    assert found["Spearman, made errors"] == pytest.approx(1.0)
    assert found["ROC area, found errors"] == 1.0
    assert found["empty slice repeated (%)"] == pytest.approx(50)
    wrong = {title: v.all for title, v in numbers(fooled).items()}
    assert wrong["Spearman, made errors"] == 0.0  # pDC never varies
    assert wrong["ROC area, made errors"] == 0.5
    assert wrong["empty slice repeated (%)"] == pytest.approx(100)


def test_intervals_are_over_patients(good):
    patients = [
        np.mean([0.95 + 0.001 * i for i in pair]) for pair in ((0, 1), (2, 3), (4, 5), (6, 7))
    ]
    low, high = numbers(good)["RV Dice of true masks"].interval()
    assert min(patients) <= low < 0.9535 < high <= max(patients)
    assert numbers(good)["empty slice repeated (%)"].interval() == (50.0, 50.0)


def test_better_and_worse_only_where_shown(good, fooled):
    each = [good, fooled, Scored("twin", told())]
    values = {(o.name, m.title): value(o, m) for o in each for m in measures(o)}
    grid, words = differences(
        each, [("good", "fooled"), ("fooled", "good"), ("good", "twin")], values
    )
    assert "better in RV Dice of true masks" in words[0]
    assert "better in empty slice repeated" in words[0]
    assert "RV HD" not in words[0]  # the same distances
    assert "worse in Spearman, made errors" in words[1]
    assert words[2] == "- **good** against **twin**: no difference is shown."
    assert grid.lines[0][1] == "+0.100 (+0.100 to +0.100)"


def test_only_the_same_masks_are_compared(good):
    check_same([good, Scored("again", told(pdc=[0.5] * 16))])
    other = told()
    other["masks"][MIXED] = kind(DICE, dice=[0.5, *DICE[1:]])
    with pytest.raises(InputError, match="not scored on the masks of good"):
        check_same([good, Scored("other", other)])


def test_tables(good, fooled):
    (line, _) = what_they_are([good, fooled]).lines
    assert line[:5] == ["good", "128 x 128", "3", "48 x 8 x 8", "1.23 M"]
    assert line[5:] == ["30 + 20", "70 %", "0 %", "abababab"]
    grid = repeats([good, fooled])
    assert grid.header == ["repeated (%)", "masks", "Dice < 0.7", "good", "fooled"]
    assert grid.lines[0] == [MIXED, "16", "10", "50", "100"]


def written(folder, **scores):
    found = {}
    for name, content in scores.items():
        found[name] = folder / f"{name}.json"
        found[name].write_text(json.dumps(content), encoding="utf-8")
    return found


def test_the_page(tmp_path):
    files = written(
        tmp_path, good=told(), fooled=told([1.0] * 16, 0.85, 1.0), long=told(recipe="mnms2-la-qc")
    )
    page = compare_autoencoders(
        files, tmp_path / "out", [("good", "fooled")], commit="abc", command="cmrseg compare-qc"
    )
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "it is reached by good)" in text
    assert "all reach it" in text  # the long axis
    assert "**good** against **fooled**: better in" in text
    assert "code abc; `cmrseg compare-qc`" in text
    assert all(path.exists() for path in page.files)
    assert (tmp_path / "out" / "pdc-la.png").stat().st_size > 1000
    for pair in (("good", "long"), ("good", "nobody")):
        with pytest.raises(UsageError, match="no two autoencoders of one view"):
            compare_autoencoders(files, tmp_path / "out", [pair], commit="", command="")


def test_from_the_command_line(tmp_path, capsys):
    files = written(tmp_path, good=told(), fooled=told([1.0] * 16), old={"wrong_masks": {}})
    named = [f"{name}={files[name]}" for name in ("good", "fooled")]
    command = ["compare-qc", str(tmp_path / "out"), *named, "--pair", "good", "fooled"]
    assert cli.main(command) == EXIT_OK
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "`cmrseg compare-qc out good=good.json fooled=fooled.json --pair good fooled`" in text
    assert cli.main([*command[:-1], "nobody"]) == EXIT_USAGE
    assert cli.main([*command[:3], f"old={files['old']}"]) == EXIT_INPUT
    assert "score-qc` anew" in capsys.readouterr().err
