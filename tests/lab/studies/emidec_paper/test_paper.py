"""The paper's figures fit our tables' columns."""

from cmrseg_lab.studies.emidec_paper import verdict
from cmrseg_lab.studies.emidec_paper.tables import TABLE_1, TABLE_2


def test_every_printed_figure_has_a_column():
    for told, columns in ((verdict.ABLATION, TABLE_1), (verdict.STATE_OF_THE_ART, TABLE_2)):
        for row in told.values():
            assert set(row) <= {column.metric for column in columns}
            assert all(float(figure.split()[0]) > 0 for figure in row.values())


def test_the_two_tables_of_the_paper_agree_where_they_meet():
    short, long = verdict.ABLATION["proposed"], verdict.STATE_OF_THE_ART["Arega et al., proposed"]
    both = short.keys() & long.keys()
    assert len(both) == 4
    for metric in both:
        assert abs(float(short[metric].split()[0]) - float(long[metric])) < 0.06
