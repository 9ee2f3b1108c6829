"""Uncertainty is set against the error it should point at."""

from types import SimpleNamespace

from cmrseg_lab.studies.emidec_paper.tables import uncertainty

STRUCTURES = ("myocardium", "infarction", "no_reflow")


def row(image_level, **certain_and_dice):
    told = {"image_level": image_level}
    for structure in STRUCTURES:
        certainty, dice = certain_and_dice.get(structure, (1.0, 0.5))
        told |= {f"{structure}_certainty": certainty, f"{structure}_dice": dice}
    return told


def grid_of(*rows):
    return uncertainty(SimpleNamespace(rows=dict(enumerate(rows))))


def test_means_of_the_certain_and_rank_correlations():
    grid = grid_of(
        row(0.1, myocardium=(0.6, 0.9)),
        row(0.2, myocardium=(0.7, 0.7)),
        row(0.3, myocardium=(0.8, 0.5)),
        row(0.4, myocardium=(0.9, 0.3)),
    )
    lines = {line[0]: line[1:] for line in grid.lines}
    assert len(lines) == 6
    assert lines["Myo DSC by image-level uncertainty"][0::3] == ["60.0", "80.0", "1.00"]
    assert lines["Myo DSC by image-level uncertainty"][4] == "-1.00"
    assert lines["Myo DSC by 1 - Dice within samples"][0:4:3] == ["60.0", "40.0"]


def test_without_samples_there_is_no_line():
    assert grid_of({f"{s}_dice": 0.5 for s in STRUCTURES}).lines == []
