import numpy as np
import pytest

from cmrseg_lab.synthetic.groups import EMIDEC_MIX, GROUPS, MNMS2_MIX, draw_group


@pytest.mark.parametrize("mix", [EMIDEC_MIX, MNMS2_MIX])
def test_mixes_name_groups_and_sum_to_one(mix: dict[str, float]) -> None:
    assert set(mix) <= set(GROUPS)
    assert sum(mix.values()) == pytest.approx(1.0)


def test_groups_are_drawn_by_weight() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_group(rng, {"N": 3.0, "P": 1.0}) for _ in range(400)]
    assert drawn.count("P") / 400 == pytest.approx(0.25, abs=0.07)


def test_diseases_have_what_they_are_known_by() -> None:
    normal = GROUPS["NOR"]
    assert GROUPS["LV"].lv_edv_ml[0] > 1.5 * normal.lv_edv_ml[0]  # dilated
    assert GROUPS["HCM"].septal[0] > 0.3  # a thick septum
    assert GROUPS["ARR"].rv_wall_mm[0] < normal.rv_wall_mm[0]  # thin and bulging
    assert GROUPS["ARR"].bulge[0] > 2 * normal.bulge[0]
    assert GROUPS["FALL"].rv_wall_mm[0] > 2 * normal.rv_wall_mm[0]  # thick under pressure
    for name in ("RV", "ARR", "FALL", "CIA", "TRI"):
        assert GROUPS[name].rv_edv_ml[0] > 1.2 * normal.rv_edv_ml[0]
    holes = [name for name, group in GROUPS.items() if group.septal_gap_mm[0] > 0]
    assert holes == ["CIA"]
