"""Columns are called by what they measure and where."""

from cmrseg_lab.studies.emidec_paper.tables import BY_POSITION, COMPARED


def test_short_titles_have_no_unit_and_name_the_slices():
    short = {column.metric: column.short for column in (*COMPARED, *BY_POSITION)}
    assert short["infarction_dice"] == "MI DSC"
    assert short["infarction_dice_basal"] == "basal MI DSC"
    assert short["no_reflow_brier_near"] == "NR BS near"
    assert len(set(short.values())) == len(short)
