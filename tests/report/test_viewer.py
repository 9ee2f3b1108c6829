"""Every slice is in the pictures that the page leafs through, where the page is told it is."""

import io
import json

import numpy as np
from PIL import Image

from cmrseg.imaging import Geometry, Volume
from cmrseg.report.case_sheet import SheetView, badness
from cmrseg.report.overlay import COLOURS
from cmrseg.report.viewer import TILE, leaves
from tiny import heart

NAMES = {1: "LV", 2: "MYO", 3: "RV"}


def view(role, *, wrong=None, slices=None):
    image, labels = heart()
    image, labels = image[:slices], labels[:slices].astype(np.uint8)
    geometry = Geometry(shape=image.shape, spacing_mm=(8.0, 1.5, 1.5))
    mask = Volume(labels, geometry)
    expected = labels.copy()
    if wrong is not None:
        expected[wrong] = 0
    maps = {"entropy": mask.like(labels.astype(np.float32) / 3)}
    return SheetView(
        role=role,
        image=Volume(image, geometry),
        mask=mask,
        maps=maps,
        expected=None if wrong is None else mask.like(expected),
    )


def test_every_slice_has_its_place_and_the_worst_is_named():
    views = [view("SA_ED", wrong=2), view("LA_ED", slices=1)]
    found = leaves(views, NAMES)
    about = json.loads(found.about)
    first, second = about["views"]
    assert (first["slices"], first["worst"], second["slices"]) == (len(heart()[0]), 2, 1)
    assert badness(views[0]).argmax() == 2
    places = [one[layer] for one in about["views"] for layer in ("grey", "heat")]
    assert sorted(places) == list(range(about["columns"]))
    grey = Image.open(io.BytesIO(found.slices))
    assert grey.size == (TILE * about["columns"], TILE * about["rows"])
    pixels = np.asarray(grey.convert("L")).reshape(about["rows"], TILE, about["columns"], TILE)
    for one in about["views"]:
        filled = pixels[:, :, one["grey"]].std(axis=(1, 2)) > 1
        assert filled.tolist() == [z < one["slices"] for z in range(about["rows"])]


def test_lines_are_in_their_colours_on_nothing_and_the_rebuilt_differ_where_they_do():
    found = leaves([view("SA_ED", wrong=2)], NAMES)
    about = json.loads(found.about)
    lines = np.asarray(Image.open(io.BytesIO(found.lines)).convert("RGBA"))
    tiles = lines.reshape(about["rows"], TILE, about["lines"], TILE, 4)
    mask, rebuilt = (tiles[:, :, about["views"][0][layer]] for layer in ("mask", "rebuilt"))
    assert (mask[..., 3] == 0).mean() > 0.8
    solid = mask[mask[..., 3] == 255][:, :3].astype(int)
    for colour in COLOURS.values():
        wanted = np.array(list(bytes.fromhex(colour[1:])))
        near = (np.abs(solid - wanted).max(-1) < 12).any()
        assert near == (colour != COLOURS[4])
    differ = [z for z in range(about["rows"]) if (mask[z] != rebuilt[z]).any()]
    assert differ == [2]
