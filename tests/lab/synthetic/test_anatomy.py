import numpy as np
import pytest

from cmrseg_lab.synthetic.anatomy import draw, draw_heart
from cmrseg_lab.synthetic.groups import GROUPS


@pytest.mark.parametrize("group", list(GROUPS))
def test_apex_stays_and_base_comes_down(group: str) -> None:
    for seed in range(5):
        heart = draw_heart(np.random.default_rng(seed), group)
        apex = [p.epi.base_w - p.epi.length_mm for p in (heart.ed, heart.es)]
        assert apex[0] == pytest.approx(apex[1], abs=0.3)
        assert heart.es.epi.base_w < heart.ed.epi.base_w
        assert heart.es.tricuspid_w < heart.ed.tricuspid_w
        assert heart.es.endo.volume_ml() < heart.ed.endo.volume_ml()
        for phase in (heart.ed, heart.es):
            assert phase.epi.radius_mm > phase.endo.radius_mm + 1
            assert phase.rv_width_mm > 0


def test_group_means_are_those_of_the_table() -> None:
    rng = np.random.default_rng(0)
    hearts = [draw_heart(rng, "NOR") for _ in range(150)]
    group = GROUPS["NOR"]
    cavity = np.array([h.ed.endo.volume_ml() for h in hearts])
    es = np.array([h.es.endo.volume_ml() for h in hearts])
    assert cavity.mean() == pytest.approx(group.lv_edv_ml[0], rel=0.06)
    assert cavity.std() == pytest.approx(group.lv_edv_ml[1], rel=0.25)
    assert (1 - es / cavity).mean() == pytest.approx(group.lv_ef[0], abs=0.02)


def test_draw_keeps_within_its_bounds() -> None:
    rng = np.random.default_rng(0)
    values = [draw(rng, (1.0, 3.0), 0.0, 2.0) for _ in range(200)]
    assert min(values) >= 0
    assert max(values) <= 2
    assert draw(rng, (9.0, 0.01), 0.0, 2.0) == 2.0
