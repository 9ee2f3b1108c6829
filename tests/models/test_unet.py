"""The U-Net: folded equals native, 2-D never mixes slices, and names that bundles depend on."""

import json
from dataclasses import replace
from itertools import product

import pytest
import torch

from cmrseg.models.unet import UNet, UNetConfig, count_parameters, pad_to_multiple

STACK = UNetConfig(
    in_channels=2,
    classes=5,
    features=(3, 4, 6, 5),
    across=(False, True, True, False),
    dropout=(0.0, 0.0, 0.0, 0.0),
    deep_supervision=3,
)
PLANE = replace(STACK, across=(False,) * 4)
POOLED = replace(STACK, pooling="max")


def network(config, execution="folded", seed=0):
    torch.manual_seed(seed)
    return UNet(config, execution).double()


def noise(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("config", [STACK, PLANE, POOLED])
def test_folded_equals_native_in_outputs_gradients_and_statistics(config):
    native, flat = network(config, "native"), network(config)
    flat.load_state_dict(native.state_dict())
    inputs = [noise(2, 2, 3, 16, 24).requires_grad_() for _ in range(2)]
    for net, x in zip((native, flat), inputs, strict=True):
        outputs = net(x)
        torch.stack([(y * y.sin()).sum() for y in outputs]).sum().backward()
        net.outputs = outputs
    close = {"rtol": 1e-9, "atol": 1e-10}
    for a, b in zip(native.outputs, flat.outputs, strict=True):
        torch.testing.assert_close(a, b, **close)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, **close)
    for (name, a), (_, b) in zip(native.named_parameters(), flat.named_parameters(), strict=True):
        assert a.grad.abs().max() > 0, name
        torch.testing.assert_close(a.grad, b.grad, **close)
    states = zip(native.state_dict().items(), flat.state_dict().items(), strict=True)
    for (name, a), (_, b) in states:
        torch.testing.assert_close(a, b, **close)
        assert "running" not in name or not torch.equal(a, torch.zeros_like(a))
    with torch.no_grad():
        a, b = native.eval()(inputs[0])[0], flat.eval()(inputs[0])[0]
    torch.testing.assert_close(a, b, **close)


def slices_reached(config, at=2, depth=6):
    """The input slices that the output of one slice depends on."""
    net = network(config).eval()
    x = noise(1, 2, depth, 16, 16).requires_grad_()
    net(x)[0][:, :, at].square().sum().backward()
    return [z for z in range(depth) if x.grad[:, :, z].abs().max() > 0]


def test_a_plane_network_never_mixes_slices():
    assert slices_reached(PLANE) == [2]
    net, x = network(PLANE).eval(), noise(1, 2, 6, 16, 16)
    with torch.no_grad():
        alone = net(x[:, :, 2:3])[0][:, :, 0]
        among = net(x)[0][:, :, 2]
    torch.testing.assert_close(alone, among, rtol=0, atol=1e-12)


def test_a_stack_network_looks_across_slices():
    assert slices_reached(replace(STACK, across=(False, False, False, True)), at=0) == [0, 1, 2]
    assert slices_reached(STACK) == list(range(6))


def test_pooling_never_mixes_slices():
    assert slices_reached(replace(PLANE, pooling="max")) == [2]
    looks = replace(POOLED, across=(False, False, False, True))
    assert slices_reached(looks, at=0) == [0, 1, 2]


@pytest.mark.parametrize("execution", ["native", "folded"])
def test_the_largest_of_four_goes_down(execution):
    """BN2 pools before its stages, as ACDC's winner did: its convolutions stride nowhere."""
    net = network(POOLED, execution)
    assert {b.conv.stride for s in net.encoder for b in (s.first, s.second)} == {1}
    seen = []
    net.encoder[1].first.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    net.encoder[0].register_forward_hook(lambda *told: seen.append(told[2]))
    net(noise(2, 2, 3, 16, 24))
    above, below = seen
    blocks = above.unflatten(-1, (12, 2)).unflatten(-3, (8, 2))
    assert torch.equal(below, blocks.amax(dim=(-3, -1)))
    assert count_parameters(net) == count_parameters(network(STACK))


def test_heads_halve_in_plane_and_only_the_finest_stays_after_training():
    net = network(STACK)
    outputs = net(noise(2, 2, 3, 16, 24))
    shapes = [(2, 5, 3, 16, 24), (2, 5, 3, 8, 12), (2, 5, 3, 4, 6)]
    assert [tuple(y.shape) for y in outputs] == shapes
    (only,) = net.eval()(noise(2, 2, 3, 16, 24))
    assert tuple(only.shape) == shapes[0]
    one = network(replace(STACK, deep_supervision=1))
    assert len(one(noise(2, 2, 3, 16, 24))) == 1


def test_dropout_sits_where_the_configuration_says():
    net = network(replace(STACK, dropout=(0.0, 0.0, 0.1, 0.3)))
    rates = [[b.dropout.p for b in (s.first, s.second)] for s in (*net.encoder, *net.decoder)]
    assert [r for r, _ in rates] == [0.0, 0.0, 0.1, 0.3, 0.0, 0.0, 0.1]
    assert all(first == second for first, second in rates)


def test_dropout_at_the_seams_sits_where_the_acdc_winner_has_it():
    """After the pooling that leaves a stage, and after its skip connection has been joined."""
    net = network(replace(POOLED, dropout=(0.0, 0.3, 0.2, 0.0), dropout_at="seams"))
    rates = [s.seam.p if s.seam else 0.0 for s in (*net.encoder, *net.decoder)]
    assert rates == [0.0, 0.0, 0.3, 0.2, 0.0, 0.3, 0.2]
    stages = (*net.encoder, *net.decoder)
    assert {b.dropout.p for s in stages for b in (s.first, s.second)} == {0.0}
    given = {}
    for name, stage in (("down", net.encoder[2]), ("up", net.decoder[1])):
        stage.seam.p = 1 - 1e-9  # as good as everything drops out
        hook = given.__setitem__
        stage.first.register_forward_pre_hook(lambda _, x, hook=hook, name=name: hook(name, x[0]))
    net(noise(1, 2, 2, 16, 16))
    assert given["down"].shape[1:] == (4, 4, 4)
    assert given["up"].shape[1:] == (8, 8, 8)
    assert not given["down"].any()
    assert not given["up"].any()
    with pytest.raises(ValueError, match="bottleneck"):
        replace(POOLED, dropout=(0.0, 0.3, 0.3, 0.3), dropout_at="seams")


def test_what_was_written_before_there_was_a_choice_strides():
    new = ("pooling", "dropout_at")
    older = {k: v for k, v in STACK.as_dict().items() if k not in new}
    assert UNetConfig.from_dict(json.loads(json.dumps(older))) == STACK
    assert (STACK.pooling, STACK.dropout_at) == ("stride", "blocks")


def test_names_and_shapes_of_weights_never_change():
    """Bundles in use name their tensors so: a renamed layer could not read them."""
    small = UNetConfig(
        classes=4,
        features=(2, 3, 5),
        across=(False, False, True),
        dropout=(0.0,) * 3,
        deep_supervision=2,
    )
    blocks = {
        "encoder.0": (1, 2, 1),
        "encoder.1": (2, 3, 1),
        "encoder.2": (3, 5, 3),
        "decoder.0": (4, 2, 1),
        "decoder.1": (6, 3, 1),
    }
    expected = {
        "up.0.weight": (3, 2, 1, 2, 2),
        "up.0.bias": (2,),
        "up.1.weight": (5, 3, 1, 2, 2),
        "up.1.bias": (3,),
        "heads.0.weight": (4, 2, 1, 1, 1),
        "heads.0.bias": (4,),
        "heads.1.weight": (4, 3, 1, 1, 1),
        "heads.1.bias": (4,),
    }
    norms = ("weight", "bias", "running_mean", "running_var")
    for (stage, (cin, cout, kz)), block in product(blocks.items(), ("first", "second")):
        name = f"{stage}.{block}"
        expected[f"{name}.conv.weight"] = (cout, cin if block == "first" else cout, kz, 3, 3)
        expected |= {f"{name}.norm.{key}": (cout,) for key in norms}
        expected[f"{name}.norm.num_batches_tracked"] = ()
    other = replace(small, pooling="max", dropout=(0.3, 0.3, 0.0), dropout_at="seams")
    for config in (small, other):
        found = {key: tuple(value.shape) for key, value in UNet(config).state_dict().items()}
        assert found == expected


def test_parameters_are_counted():
    net = network(STACK)
    assert count_parameters(net) == sum(p.numel() for p in net.parameters())
    net.heads.requires_grad_(False)
    heads = sum(p.numel() for p in net.heads.parameters())
    assert count_parameters(net) == sum(p.numel() for p in net.parameters()) - heads


def test_padding_repeats_the_far_edges():
    x = noise(1, 1, 2, 5, 8)
    padded = pad_to_multiple(x, 4)
    assert padded.shape == (1, 1, 2, 8, 8)
    assert torch.equal(padded[..., :5, :], x)
    assert torch.equal(padded[..., 5:, :], x[..., 4:5, :].expand(-1, -1, -1, 3, -1))
    assert torch.equal(pad_to_multiple(padded, 4), padded)


def test_configuration_survives_json_and_checks_itself():
    assert UNetConfig.from_dict(json.loads(json.dumps(STACK.as_dict()))) == STACK
    assert STACK.multiple == 8
    with pytest.raises(ValueError, match="same number of stages"):
        replace(STACK, across=(True,))
    for heads in (0, 4):
        with pytest.raises(ValueError, match="deep_supervision"):
            replace(STACK, deep_supervision=heads)


def test_an_image_smaller_than_the_patches_is_continued_at_its_edges():
    image = torch.arange(12.0).reshape(1, 1, 1, 3, 4)
    grown = pad_to_multiple(image, 4, least=6)
    assert grown.shape[-2:] == (8, 8)
    assert torch.equal(grown[..., :3, :4], image)
    assert (grown[..., 3:, :4] == image[..., 2:, :]).all()
    assert pad_to_multiple(image, 4).shape[-2:] == (4, 4)
