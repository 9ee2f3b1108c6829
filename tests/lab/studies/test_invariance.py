"""What only changes an image's form changes neither what networks are shown nor the mask."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmrseg.cases.case import Prediction, Result
from cmrseg.imaging.overlap import dice
from cmrseg.imaging.prepare import prepare_interior
from cmrseg.imaging.volume import Geometry, Grid, Volume
from cmrseg.models.ensemble import Segmenter
from cmrseg.models.unet import UNet
from cmrseg.recipes.emidec import Emidec
from cmrseg_lab.cli import main
from cmrseg_lab.studies import invariance
from tiny import network_config, volume

GRID = Grid((None, 1.5, 1.5))
WIDTH = st.integers(0, 25)
WIDTHS = st.tuples(WIDTH, WIDTH)
SIDES = st.sampled_from([(0,), (1,), (2,), (1, 2), (0, 1), (0, 1, 2)])
FORMS = st.one_of(
    st.builds(
        lambda value, before, after: lambda v: invariance.padded(v, value, before, after),
        st.sampled_from([-1024, -1, 0, 1, 7, 4095, 30000]),
        WIDTHS,
        WIDTHS,
    ),
    st.builds(
        lambda factor, offset: (
            lambda v: invariance.linear_values(v, factor, factor * offset * float(v.array.std()))
        ),
        # Far smaller ones would drown in single precision beside padding of -1024.
        st.sampled_from([0.02, 0.25, 1.0, 3.0, 500.0]),
        st.integers(-5, 5),
    ),
    st.builds(lambda axes: lambda v: invariance.flipped(v, axes), SIDES),
)
"""Padding of a value that the image's edge lacks, another scale, axes (slices too) reversed."""


def changed(image, forms):
    """All changes one after the other, and the way back."""
    backs = []
    for form in forms:
        made = form(image)
        image = made.volume
        backs.append(made.back)

    def back(mask):
        for one in reversed(backs):
            mask = one(mask)
        return mask

    return invariance.Changed(image, back)


@settings(max_examples=25, deadline=None)
@given(st.lists(FORMS, min_size=1, max_size=3))
def test_networks_are_shown_the_same(forms):
    plain = prepare_interior(volume(), GRID).image
    shown = prepare_interior(changed(volume(), forms).volume, GRID).image
    assert shown.geometry.same_as(plain.geometry, 1e-3)
    assert np.abs(shown.array - plain.array).max() < 2e-3


@settings(max_examples=8, deadline=None)
@given(st.lists(FORMS, min_size=1, max_size=3))
def test_the_mask_is_the_same(tmp_path_factory, forms):
    torch.manual_seed(0)
    networks = [UNet(network_config("emidec")).eval()]
    segmenter = Segmenter(networks, torch.device("cpu"), preparation="interior")
    recipe = Emidec(segmenter, samples=0, mirrors=1)
    folder = tmp_path_factory.mktemp("case")

    def mask(image):
        case = invariance._stored("x", {"LGE": image}, folder)
        return recipe.segment(case).predictions["LGE"].mask.array

    other = changed(volume(), forms)
    plain, again = mask(volume()), other.back(mask(other.volume))
    assert len(np.unique(plain)) > 1
    for code in np.unique(plain):
        assert dice(again == code, plain == code) > 0.98


@settings(max_examples=10, deadline=None)
@given(st.tuples(WIDTH, WIDTH, WIDTH, WIDTH))
def test_a_crop_shows_the_same_picture_on_another_scale(cut):
    rng = np.random.default_rng(0)
    array = rng.normal(100, 20, (3, 80, 80)) + 200 * np.tri(80)
    image = Volume(array.astype(np.float32), Geometry(array.shape, (9.0, 1.5, 1.5)))
    top, left, bottom, right = cut
    box = np.s_[:, top : 80 - bottom, left : 80 - right]
    shown = prepare_interior(invariance.cropped_to(image, box).volume, GRID).image.array
    whole = prepare_interior(image, GRID).image.array[box]
    assert np.corrcoef(shown.ravel(), whole.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("change", invariance.changes(), ids=lambda c: c.name)
def test_every_change_finds_its_way_back(change):
    """A mask drawn on the changed image's grey values lies where the heart was."""
    image = replace(volume(), header={})
    heart = image.array > 250
    made = change.of(image, heart)
    level = made.volume.array
    if change.bound is None:
        level = -level
    brightest = level >= np.quantile(level[np.isfinite(level)], 0.5)
    back = made.back(brightest.astype(np.uint8))
    assert back.shape == image.array.shape


def test_the_study_tells_what_holds(tmp_path):
    """A recipe that thresholds at a fixed grey value is sensitive to an offset, not to padding."""

    def segment(case):
        from cmrseg.imaging.read import read

        image = read(case.images["LGE"].path)
        mask = (image.array > 250).astype(np.uint8)
        return Result(
            {"LGE": Prediction(image.like(mask))},
            review=("dark",) * int(image.array[0, 0, 0] > 200),
        )

    stored = invariance._stored("p", {"LGE": volume()}, tmp_path)
    found = invariance.study("emidec", [stored], segment, lambda _: None)
    bounds = {change.name: change.bound for change in invariance.changes()}
    holds = {name: one.holds(bounds[name]) for name, (one,) in found.items()}
    assert holds["padded to 512 with -1024"]
    assert holds["slices reversed, header says so"]
    assert not holds["100 added to every voxel"]
    assert holds["inverted contrast"]
    lines = invariance.invariance_table("emidec", found).lines
    assert len(lines) == len(bounds)
    assert {line[-1] for line in lines} == {"yes", "**no**"}


def test_the_command_writes_its_table(tmp_path, bundles, monkeypatch, capsys):
    few = invariance.changes()[:2]
    monkeypatch.setattr(invariance, "changes", lambda: few)
    out = tmp_path / "table.md"
    arguments = ["study", "invariance", "emidec", "--weights", str(bundles / "emidec")]
    assert main.main([*arguments, "--cases", "1", "--device", "cpu", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() in out.read_text()
