import numpy as np

from cmrseg.synthetic.anatomy import draw_heart
from cmrseg.synthetic.site import Site


def test_fat_is_nowhere_thinner_than_nothing_and_lies_where_the_pad_is() -> None:
    heart = draw_heart(np.random.default_rng(2), "NOR")
    axis = np.linspace(-60, 60, 61, dtype=np.float32)
    zero = np.zeros((1, 61, 61), np.float32)
    site = Site.of(heart, (zero + axis[:, None], zero + axis, zero - 30))
    assert site.fat_mm.min() >= 0
    assert site.pad_mm.min() >= 0
    front = site.polar.cosine * np.cos(heart.pad_angle) + site.polar.sine * np.sin(heart.pad_angle)
    assert site.pad_mm[front > 0.5].mean() > 0
    assert (site.pad_mm[front < 0] == 0).all()
