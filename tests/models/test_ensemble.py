"""Trained networks at work: mirrors, dropout samples, long stacks, and what goes wrong."""

import numpy as np
import pytest
import torch

from cmrseg.imaging import Geometry, Volume
from cmrseg.models import bundle, tiling
from cmrseg.models import ensemble as module
from cmrseg.models.ensemble import Segmenter
from cmrseg.models.unet import UNet
from cmrseg.runtime import Budget
from cmrseg.runtime.errors import CmrsegError, MemoryLimitError
from tiny import network_config, sample

CPU = torch.device("cpu")


def network(recipe="emidec", seed=0):
    torch.manual_seed(seed)
    net = UNet(network_config(recipe))
    with torch.no_grad():
        net.heads[0].weight.mul_(4.0)
    return net.eval()


def segmenter(recipe="emidec", networks=1):
    return Segmenter([network(recipe, seed) for seed in range(networks)], CPU, "fp32")


def image(slices=4, seed=0):
    array = sample(seed).image
    array = np.concatenate([array] * 10)[:slices].copy()
    return Volume(array, Geometry(array.shape, (10.0, 1.5, 1.5)))


def test_networks_come_out_of_a_bundle_by_recipe(bundles):
    found = bundle.load(bundles / "mnms2", "mnms2")
    for recipe in ("mnms2-sa", "mnms2-la"):
        loaded = Segmenter.from_bundle(found, recipe, CPU)
        (net,) = loaded.networks
        assert not net.training
        assert net.config == network_config(recipe)
        (entry,) = [n for n in found.networks if n["recipe"] == recipe]
        stored = UNet(net.config)
        stored.load_state_dict(found.tensors(entry["file"]))
        x = torch.from_numpy(image().array)[None, None]
        with torch.inference_mode():
            torch.testing.assert_close(net(x)[0], stored.eval()(x)[0], rtol=1e-4, atol=1e-4)
    assert Segmenter.from_bundle(found, "emidec", CPU).networks == []


def test_a_pass_is_the_network_on_the_image():
    net, picture = network(), image()
    (found,) = Segmenter([net], CPU, "fp32").mirrored(picture, 1).maps
    with torch.no_grad():
        expected = net(torch.from_numpy(picture.array)[None, None])[0].softmax(dim=1)[0]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_any_size_is_padded_and_cut_back():
    array = image().array[:, :37, :42].copy()
    odd = Volume(array, Geometry(array.shape, (10.0, 1.5, 1.5)))
    assert segmenter().mirrored(odd, 4).maps.shape == (4, 5, 4, 37, 42)


@pytest.mark.parametrize(("mirrors", "axes"), [(2, [(), (2,)]), (4, [(), (2,), (1,), (1, 2)])])
def test_mirror_images_are_turned_back(mirrors, axes):
    """What a mirrored pass says of an image is what a plain pass says of its mirror image."""
    picture, at_work = image(), segmenter(networks=2)
    found = at_work.mirrored(picture, mirrors).maps
    assert found.shape == (2 * mirrors, 5, 4, 40, 44)
    for n, net in enumerate(at_work.networks):
        for k, axis in enumerate(axes):
            mirror = picture.like(np.flip(picture.array, axis).copy())
            (alone,) = Segmenter([net], CPU, "fp32").mirrored(mirror, 1).maps
            back = np.flip(alone, tuple(a + 1 for a in axis))
            np.testing.assert_allclose(found[n * mirrors + k], back, atol=1e-6)


def test_dropout_samples_follow_from_the_seed_alone():
    at_work, picture = segmenter(networks=2), image()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = at_work.dropout_samples(picture, 6, seed=5).maps
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = at_work.dropout_samples(picture, 6, seed=5).maps
    other = at_work.dropout_samples(picture, 6, seed=6).maps
    assert one.shape == (6, 5, 4, 40, 44)
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3
    for first in (0, 3):
        assert np.abs(one[first] - one[first + 1]).max() > 1e-3


@pytest.mark.parametrize(("samples", "shares"), [(5, [2, 2, 1]), (2, [1, 1, 0]), (6, [2, 2, 2])])
def test_networks_share_the_samples(monkeypatch, samples, shares):
    at_work, taken = segmenter(networks=3), []
    run = type(at_work)._run

    def counted(self, log, network, picture, flip, passes=1):
        taken.append((self.networks.index(network), passes))
        return run(self, log, network, picture, flip, passes)

    monkeypatch.setattr(type(at_work), "_run", counted)
    assert len(at_work.dropout_samples(image(), samples).maps) == samples
    assert taken == [(n, own) for n, own in enumerate(shares) if own]


def test_dropout_is_off_again_and_batch_norm_untouched():
    at_work, picture = segmenter(), image()
    before = at_work.mirrored(picture, 1).maps
    statistics = {k: v.clone() for k, v in at_work.networks[0].state_dict().items()}
    at_work.dropout_samples(picture, 2)
    assert not any(m.training for m in at_work.networks[0].modules())
    np.testing.assert_array_equal(at_work.mirrored(picture, 1).maps, before)
    for name, value in at_work.networks[0].state_dict().items():
        assert torch.equal(value, statistics[name])


def test_a_network_without_dropout_has_samples_that_agree():
    drawn = segmenter("mnms2-sa").dropout_samples(image(), 3).maps
    np.testing.assert_array_equal(drawn[0], drawn[1])


def test_precision_is_the_devices_usual_one(monkeypatch):
    monkeypatch.setattr(module, "usual_precision", lambda device: "fp32")
    at_work = Segmenter([network()], CPU)
    assert at_work.precision == "fp32"
    found = at_work.mirrored(image(), 2)
    assert 0 < found.first_s < found.seconds
    assert found.warnings == ()
    assert at_work.computed(found.counts) == {
        "device": "cpu",
        "precision": "fp32",
        "threads": torch.get_num_threads(),
        "mirrors": 2,
        "samples": 0,
        "bundle": None,
    }


def test_bf16_stays_close_to_fp32():
    picture = image()
    full = Segmenter([network()], CPU, "fp32").mirrored(picture, 1).maps
    half = Segmenter([network()], CPU, "bf16").mirrored(picture, 1).maps
    assert 0 < np.abs(full - half).mean() < 0.02


def patched(monkeypatch, outputs):
    """A network whose passes give, one after the other, what is listed (a value or an error)."""
    queue = iter(outputs)

    def forward(self, x, passes=1):
        output = next(queue)
        if isinstance(output, Exception):
            raise output
        return [torch.full((1, 5, *x.shape[2:]), output)]

    monkeypatch.setattr(UNet, "forward", forward)
    return Segmenter([network()], CPU, "bf16")


def test_the_second_try_in_fp32_is_told_once(monkeypatch):
    at_work = patched(monkeypatch, [float("nan"), 0.0, float("inf"), 1.0])
    found = at_work.mirrored(image(), 2)
    np.testing.assert_allclose(found.maps, 0.2)
    (warning,) = found.warnings
    assert "computed in fp32" in warning


def test_what_is_not_finite_in_fp32_either_is_an_error(monkeypatch):
    at_work = patched(monkeypatch, [float("nan"), float("nan")])
    with pytest.raises(CmrsegError, match="not finite"):
        at_work.mirrored(image(), 1)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("std::bad_alloc"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_running_out_of_memory_is_told_as_such(monkeypatch, error):
    with pytest.raises(MemoryLimitError, match="does not fit the memory"):
        patched(monkeypatch, [error] * 9).mirrored(image(), 1)


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_a_gpu_without_memory_takes_smaller_pieces_then_hands_on_to_the_cpu(monkeypatch, error):
    """``cpu:0`` stands in for the GPU; it fails at more than ``fits`` slices."""
    gpu, fits, seen = torch.device("cpu:0"), [3], []
    net = network("mnms2-sa")
    at_work = Segmenter([net], gpu, "bf16")
    forward = UNet.forward

    def limited(self, x, passes=1):
        seen.append(x.shape[2])
        if at_work.at == gpu and x.shape[2] > fits[0]:
            raise error
        return forward(self, x, passes)

    picture = image(12)
    expected = {p: Segmenter([net], CPU, p).mirrored(picture, 1).maps for p in ("fp32", "bf16")}
    monkeypatch.setattr(UNet, "forward", limited)
    found = at_work.mirrored(picture, 1)
    np.testing.assert_allclose(found.maps, expected["bf16"], atol=0.02)
    assert seen == [12, 6, 3, 3, 3, 3]
    assert found.warnings == ()
    assert at_work.computed(found.counts)["device"] == "cpu:0"
    seen.clear()
    fits[0] = 0
    found = at_work.mirrored(picture, 2)
    assert seen == [12, 6, 3, 2, 1, 12, 12]
    np.testing.assert_allclose(found.maps[:1], expected["fp32"], atol=1e-5)
    (warning,) = found.warnings
    assert "memory of cpu:0" in warning
    assert at_work.computed(found.counts)["device"] == "cpu"
    at_work.begin()
    assert at_work.at == gpu, "the next case may fit"


def test_a_case_is_not_begun_that_a_container_would_be_killed_for(monkeypatch):
    calls = []
    monkeypatch.setattr(UNet, "forward", lambda self, x, passes: calls.append(x))
    monkeypatch.setattr(tiling, "memory_left", lambda: 100_000)
    with pytest.raises(MemoryLimitError, match=r"needs about . MiB of memory, 0 MiB are left"):
        segmenter().mirrored(image(), 1)
    assert calls == []


@pytest.fixture
def clock(monkeypatch):
    """A clock on which a pass of a network takes ten seconds and nothing else any time."""
    now = [0.0]
    repeated = tiling.repeated

    def slow(network, x, passes):
        now[0] += 10.0 * passes
        return repeated(network, x, passes)

    monkeypatch.setattr(tiling, "repeated", slow)
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("seconds", "share", "mirrors", "samples"),
    [
        (None, 1.0, 4, 5),
        (125.0, 1.0, 4, 5),  # 10 for the first; 115 * 0.7 pays for 8 more
        (124.0, 1.0, 2, 5),
        (124.0, 0.5, 1, 3),
        (40.0, 1.0, 1, 2),
        (30.0, 1.0, 1, 0),
        (1.0, 1.0, 1, 0),
    ],
)
def test_what_the_time_allows_follows_from_the_first_pass(clock, seconds, share, mirrors, samples):
    at_work = segmenter()
    at_work.budget = Budget(seconds)
    found = at_work.mirrored(image(), 4, samples=5, share=share)
    assert len(found.maps) == mirrors
    assert (found.counts.mirrors, found.counts.samples) == (mirrors, samples)
    assert found.first_s == 10.0
    short = f"the time budget is short: {mirrors} of 4 mirror images, {samples} of 5 samples"
    assert found.warnings == (() if (mirrors, samples) == (4, 5) else (short,))
    np.testing.assert_array_equal(found.maps, segmenter().mirrored(image(), 4).maps[:mirrors])


def test_other_faults_are_not_taken_for_memory(monkeypatch):
    with pytest.raises(RuntimeError, match="shapes"):
        patched(monkeypatch, [RuntimeError("shapes differ")]).mirrored(image(), 1)
