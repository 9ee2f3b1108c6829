"""Pieces of a stack give what the whole stack gives, and are as small as memory asks for."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from cmrseg.models import tiling
from cmrseg.models.fusion import fuse
from cmrseg.models.tiling import in_pieces, out_of_memory, reach, slices_that_fit
from cmrseg.models.unet import UNet
from cmrseg.runtime import usual_precision
from cmrseg.runtime.errors import MemoryLimitError
from cmrseg_lab.training.preset import read_preset
from tiny import network_config

CONFIG = {recipe: network_config(recipe) for recipe in ("emidec", "mnms2-sa")}
CONFIG |= {f"{recipe}, pooled": replace(config, pooling="max") for recipe, config in CONFIG.items()}


def network(recipe):
    torch.manual_seed(0)
    return fuse(UNet(CONFIG[recipe]).eval())


def stack(slices, side=32):
    return torch.from_numpy(
        np.random.default_rng(0).normal(size=(1, 1, slices, side, side)).astype(np.float32)
    )


@pytest.mark.parametrize("recipe", ["emidec", "emidec, pooled"])
def test_how_far_a_network_sees(recipe):
    """A change in one slice reaches so many slices up and down, and no more."""
    assert reach(CONFIG["mnms2-sa"]) == reach(CONFIG["mnms2-sa, pooled"]) == 0
    assert reach(read_preset("emidec").network) == 10
    net, x = network(recipe), stack(31)
    changed = x.clone()
    changed[:, :, 15] += 50
    before, after = (in_pieces(net, v, "fp32", 1, 99) for v in (x, changed))
    touched = (before != after).any(dim=(0, 1, 3, 4)).nonzero().ravel()
    assert (touched.min(), touched.max()) == (15 - 6, 15 + 6)
    assert reach(CONFIG[recipe]) == 6


@pytest.mark.parametrize(
    ("recipe", "slices"),
    [
        ("emidec", 3),
        ("emidec", 8),
        ("mnms2-sa", 4),
        ("emidec, pooled", 3),
        ("mnms2-sa, pooled", 4),
    ],
)
def test_pieces_give_what_the_whole_gives(recipe, slices):
    net, x = network(recipe), stack(21)
    whole = in_pieces(net, x, "fp32", 1, 99)
    assert whole.shape == (1, CONFIG[recipe].classes, 21, 32, 32)
    found = in_pieces(net, x, "fp32", 1, slices)
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("recipe", "depth", "slices_left", "expected"),
    [
        ("mnms2-sa", 40, 1000, 16),
        ("mnms2-sa", 9, 1000, 9),
        ("mnms2-sa", 40, 5, 5),
        ("mnms2-sa", 40, 0.9, 1),
        ("emidec", 40, 1000, 40),
        ("emidec", 40, 30, 18),
        ("emidec", 40, 12.5, 1),
        ("emidec", 7, 7, 7),
        ("emidec", 12, 11.5, 12),
    ],
)
def test_less_memory_makes_smaller_pieces(monkeypatch, recipe, depth, slices_left, expected):
    x = stack(depth)
    per_slice = tiling.LIVE_MAPS * 4 * 4 * 32 * 32
    left = int(per_slice * slices_left / tiling.USABLE) + 1
    kept = results(recipe, depth)
    monkeypatch.setattr(tiling, "memory_left", lambda: kept + left)
    assert slices_that_fit(CONFIG[recipe], x, "fp32") == expected
    assert slices_that_fit(CONFIG[recipe], x, "bf16") == expected, "a CPU may keep fp32 beside it"


def results(recipe, depth, passes=1):
    return tiling.RESULT_COPIES * 4 * passes * CONFIG[recipe].classes * depth * 32 * 32


def test_what_cannot_fit_is_refused_before_it_is_tried(monkeypatch):
    least = 13 * tiling.LIVE_MAPS * 4 * 4 * 32 * 32 - 1
    monkeypatch.setattr(tiling, "memory_left", lambda: least + results("emidec", 40))
    with pytest.raises(MemoryLimitError, match="the image needs about"):
        slices_that_fit(CONFIG["emidec"], stack(40), "fp32")
    slices_that_fit(CONFIG["emidec"], stack(12), "fp32")


def test_what_passes_come_to_is_planned_for(monkeypatch):
    """Deep stacks were killed by their results, however small the pieces."""
    left = 13 * tiling.LIVE_MAPS * 4 * 4 * 32 * 32 + results("emidec", 100)
    monkeypatch.setattr(tiling, "memory_left", lambda: left)
    assert slices_that_fit(CONFIG["emidec"], stack(100), "fp32", 1) == 1
    with pytest.raises(MemoryLimitError):
        slices_that_fit(CONFIG["emidec"], stack(100), "fp32", 4)


@pytest.mark.parametrize(
    ("recipe", "sizes"), [("mnms2-sa", [8, 4, 2, 1]), ("emidec", [20, 11, 9, 8, 7])]
)
def test_what_fails_for_lack_of_memory_is_tried_in_smaller_pieces(monkeypatch, recipe, sizes):
    net, x, seen = network(recipe), stack(8 if recipe == "mnms2-sa" else 20), []

    def never(network, x, passes):
        seen.append(x.shape[2])
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(tiling, "repeated", never)
    with pytest.raises(torch.OutOfMemoryError):
        in_pieces(net, x, "fp32", 1, x.shape[2])
    assert seen == sizes


def test_passes_that_do_not_fit_together_are_computed_one_by_one(monkeypatch):
    net, x, seen = network("emidec"), stack(5), []
    repeated = tiling.repeated

    def limited(network, x, passes):
        seen.append(passes)
        if passes > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return repeated(network, x, passes)

    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.train()
    monkeypatch.setattr(tiling, "repeated", limited)
    found = in_pieces(net, x, "fp32", 3, 5)
    assert seen == [3, 1, 1, 1]
    assert found.shape == (3, 5, 5, 32, 32)
    assert (found[0] != found[1]).any()


def test_other_errors_are_no_lack_of_memory():
    assert not out_of_memory(RuntimeError("shapes differ"))
    assert not out_of_memory(ValueError("can't allocate memory"))


MEASURE = """
import sys, torch
from cmrseg.models import tiling
from cmrseg_lab.training.preset import read_preset
from cmrseg.models.fusion import fuse
from cmrseg.models.unet import UNet
def kb(name):
    return int(next(l for l in open("/proc/self/status") if l.startswith(name)).split()[1])
config = read_preset(sys.argv[1]).network
net, precision = fuse(UNet(config).eval()), sys.argv[2]
torch.set_num_threads(1)
tiling.in_pieces(net, torch.zeros(1, 1, 1, 32, 32), precision, 1, 1)
before, x = kb("VmRSS"), torch.zeros(1, 1, 4, 256, 256)
tiling.in_pieces(net, x, precision, 1, 4)
numbers = (kb("VmHWM") - before) * 1024 / x.numel() / tiling.number_bytes(x.device, precision)
print(numbers / config.features[0])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize(
    ("preset", "precision"),
    [("emidec", "fp32"), ("long_axis", usual_precision(torch.device("cpu")))],
)
def test_the_estimate_of_a_passes_memory_holds(preset, precision):
    """Measured in a process of its own, with the shapes our bundles have."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, preset, precision],
        capture_output=True,
        text=True,
        check=True,
    )
    least = 4 if precision == "fp32" else 2  # less where a processor has units for half precision
    assert least < float(done.stdout) <= tiling.LIVE_MAPS
