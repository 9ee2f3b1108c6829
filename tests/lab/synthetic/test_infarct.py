import numpy as np
import pytest

from cmrseg_lab.synthetic.infarct import TERRITORIES, draw_infarct, infarct_share


@pytest.mark.parametrize(("share", "core"), [(0.08, 0.0), (0.2, 0.15), (0.35, 0.3)])
def test_infarct_has_the_share_asked_for(share: float, core: float) -> None:
    for seed in range(4):
        found = infarct_share(draw_infarct(np.random.default_rng(seed), share, core))
        assert found[0] == pytest.approx(share, abs=0.03)
        assert found[1] == pytest.approx(core, abs=0.06)


def test_infarcts_start_at_the_endocardium_in_an_artery_territory() -> None:
    infarct = draw_infarct(np.random.default_rng(3), 0.2, 0.0)
    assert infarct.artery in TERRITORIES
    here = np.array([infarct.angle], np.float32)
    middle = infarct.window(np.cos(here), np.sin(here), np.array([infarct.height], np.float32))
    away = infarct.window(-np.cos(here), -np.sin(here), np.array([0.05], np.float32))
    assert middle == pytest.approx(1.0, abs=1e-4)
    assert away < 0
    assert infarct.reach(middle) > infarct.reach(middle * 0.2) > infarct.reach(away)
    assert infarct.reach(away) == 0


def test_infarcts_reach_from_the_subendocardium_to_the_whole_wall() -> None:
    rng = np.random.default_rng(6)
    drawn = [draw_infarct(rng, share, 0.0) for share in (0.05, 0.15, 0.3) for _ in range(20)]
    deepest = [float(np.minimum(one.reach(np.float32(1.0)), 1.0)) for one in drawn]
    assert min(deepest) < 0.5
    assert max(deepest) == 1.0
    assert {one.artery for one in drawn} == set(TERRITORIES)
