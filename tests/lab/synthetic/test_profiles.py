import numpy as np
import pytest

from cmrseg_lab.synthetic.anatomy import draw_heart
from cmrseg_lab.synthetic.profiles import CONE, Outline, fall, rv_volume_ml
from cmrseg_lab.synthetic.surfaces import Polar, surfaces

ROUND = (0.0, 0.0, 0.0, 0.0, 0.0)


def test_volume_of_a_round_outline() -> None:
    outline = Outline(base_w=0.0, length_mm=90.0, radius_mm=25.0, form=ROUND)
    assert outline.volume_ml() == pytest.approx(CONE * np.pi * 25**2 * 90 / 1000, rel=1e-4)
    t = np.linspace(0, 1, 10001)
    assert float((1 - fall(t)).mean()) == pytest.approx(CONE, rel=1e-3)


def test_outline_of_a_volume_has_it() -> None:
    form = (-0.2, 0.03, -0.01, 0.02, 0.01)
    outline = Outline.of_volume(140.0, -3.0, 85.0, form)
    assert outline.volume_ml() == pytest.approx(140.0, rel=1e-4)
    assert outline.base_w == -3.0


def test_septal_lobe_flattens_the_side_of_the_rv_only() -> None:
    outline = Outline(base_w=0.0, length_mm=90.0, radius_mm=25.0, form=(-0.2, 0, 0, 0, 0))
    cosine, sine = np.array([1.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0])
    assert outline.around(cosine, sine) == pytest.approx([0.8, 1.0, 1.0])


@pytest.mark.parametrize("group", ["NOR", "HCM", "FALL"])
def test_drawn_surfaces_enclose_the_volumes_that_were_solved_for(group: str) -> None:
    heart = draw_heart(np.random.default_rng(4), group)
    step = 2.0
    axis = np.arange(-110, 110, step, dtype=np.float32)
    u, v, w = np.meshgrid(axis, axis, np.arange(-130, 30, step, dtype=np.float32), indexing="ij")
    found = surfaces(heart, heart.ed, Polar.of(heart, (u, v, w)))
    cavity = (np.maximum(found.endo, found.base) < 0).sum() * step**3 / 1000
    assert cavity == pytest.approx(heart.ed.endo.volume_ml(), rel=0.04)
    both = (np.maximum(found.epi, found.base) < 0).sum() * step**3 / 1000
    assert both == pytest.approx(heart.ed.epi.volume_ml(), rel=0.04)
    rv = (found.rv < 0).sum() * step**3 / 1000
    assert rv == pytest.approx(rv_volume_ml(heart.ed), rel=0.1)
