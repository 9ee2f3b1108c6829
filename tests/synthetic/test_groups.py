import numpy as np
import pytest

from cmrseg.synthetic.groups import EMIDEC_MIX, GROUPS, MNMS2_MIX, draw_group


@pytest.mark.parametrize("mix", [EMIDEC_MIX, MNMS2_MIX])
def test_mixes_name_groups_and_sum_to_one(mix: dict[str, float]) -> None:
    assert set(mix) <= set(GROUPS)
    assert sum(mix.values()) == pytest.approx(1.0)


def test_groups_are_drawn_by_weight() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_group(rng, {"N": 3.0, "P": 1.0}) for _ in range(400)]
    assert drawn.count("P") / 400 == pytest.approx(0.25, abs=0.07)
