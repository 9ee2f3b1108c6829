import numpy as np

from cmrseg.synthetic.anatomy import draw_heart
from cmrseg.synthetic.site import Site


def seen(seed: int) -> Site:
    heart = draw_heart(np.random.default_rng(seed), "NOR")
    axis = np.linspace(-60, 60, 61, dtype=np.float32)
    zero = np.zeros((1, 61, 61), np.float32)
    return Site.of(heart, (zero + axis[:, None], zero + axis, zero - 30))


def test_fat_is_nowhere_thinner_than_nothing_and_lies_where_the_pad_is() -> None:
    site = seen(2)
    heart = site.heart
    assert site.fat_mm.min() >= 0
    assert site.pad_mm.min() >= 0
    front = site.polar.cosine * np.cos(heart.pad_angle) + site.polar.sine * np.sin(heart.pad_angle)
    assert site.pad_mm[front > 0.5].mean() > 0
    assert (site.pad_mm[front < 0] == 0).all()


def test_a_part_of_a_site_holds_what_the_whole_holds_there() -> None:
    whole = seen(3)
    window = slice(None), slice(8, 30), slice(4, 50)
    for part, there in ((whole.within(window), window), (whole.sparse(), np.s_[:, ::4, ::4])):
        assert np.array_equal(part.pad_mm, whole.pad_mm[there])
        assert np.array_equal(part.fat_mm, whole.fat_mm[there])
        assert np.array_equal(part.grain.muscle, whole.grain.muscle[there])
        for name in ("r", "cosine", "sine", "endo_form", "epi_form"):
            assert np.array_equal(getattr(part.polar, name), getattr(whole.polar, name)[there])
        for mine, all_of_it in zip(part.polar.point, whole.polar.point, strict=True):
            assert np.array_equal(mine, all_of_it[there])
