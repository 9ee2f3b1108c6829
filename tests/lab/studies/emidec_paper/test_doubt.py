"""Whether doubt raises the rest is said as the figures fall."""

from types import SimpleNamespace

from cmrseg_lab.studies.emidec_paper.doubt import sentences, trust


def method(rows):
    return SimpleNamespace(rows=dict(enumerate(rows)))


def row(image_level, **certain_and_dice):
    told = {"image_level": image_level}
    for structure in ("myocardium", "infarction", "no_reflow"):
        certainty, dice = certain_and_dice.get(structure, (1.0, 0.5))
        told |= {f"{structure}_certainty": certainty, f"{structure}_dice": dice}
    return told


ROWS = [
    row(0.1, myocardium=(0.6, 0.9), infarction=(0.9, 0.2)),
    row(0.2, myocardium=(0.7, 0.7), infarction=(0.9, 0.4)),
    row(0.3, myocardium=(0.8, 0.5), infarction=(0.8, 0.6)),
    row(0.4, myocardium=(0.9, 0.3), infarction=(0.8, 0.8)),
]


def test_each_kind_of_doubt_is_told_by_structure():
    by_image, within = sentences(method(ROWS))
    assert by_image.startswith("By image-level uncertainty, to keep the more certain 50%")
    assert by_image.endswith(
        "it raises that of Myo (60.0 to 80.0 %) and lowers that of MI (50.0 to 30.0 %) and "
        "leaves alone that of NR (50.0 to 50.0 %)."
    )
    assert "1 - Dice within samples" in within
    assert "lowers that of Myo (60.0 to 40.0 %), MI (50.0 to 30.0 %)" in within


def test_the_table_says_the_same():
    grid = trust(method(ROWS))
    lines = {line[0]: line[1:] for line in grid.lines}
    assert lines["Myo DSC by image-level uncertainty"][0::3] == ["60.0", "80.0", "1.00"]
    assert lines["Myo DSC by image-level uncertainty"][4] == "-1.00"
    assert len(lines) == 6


def test_without_samples_nothing_is_said():
    nobody = method([{"myocardium_dice": 0.5, "infarction_dice": 0.5, "no_reflow_dice": 0.5}])
    assert sentences(nobody) == []
    assert trust(nobody).lines == []
