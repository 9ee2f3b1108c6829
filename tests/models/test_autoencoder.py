from __future__ import annotations

import json

import pytest
import torch

from cmrseg.models.autoencoder import Autoencoder, AutoencoderConfig
from cmrseg.models.unet import count_parameters

SMALL = AutoencoderConfig(slices=3, size=32, layers=((8, 2), (8, 1), (12, 2), (6, 2)), dropout=0.0)


def test_the_papers_shape():
    paper = Autoencoder(AutoencoderConfig())
    assert paper.config.latent == (100, 4, 4)
    # The authors' has 779 k. By hand: weights of both halves 2 x 388 096, batch norms and biases
    # of 2 x 480 block channels, biases of latent (100) and output (4).
    assert count_parameters(paper) == 2 * 388_096 + 3 * 2 * 480 + 104 == 779_176
    with torch.no_grad():
        latent = paper.eval().encoder(torch.zeros(1, 4, 256, 256))
        assert latent.shape == (1, 100, 4, 4)
        assert paper(torch.zeros(1, 4, 256, 256)).shape == (1, 4, 256, 256)
    kinds = [type(layer).__name__ for layer in paper.encoder[0]]
    assert kinds == ["Conv2d", "BatchNorm2d", "LeakyReLU", "Dropout"]
    assert type(paper.encoder[-1]) is torch.nn.Conv2d


def test_decoder_mirrors_encoder():
    def sizes(layers, x):
        seen = []
        for layer in layers:
            x = layer(x)
            seen.append(tuple(x.shape[1:]))
        return seen

    network = Autoencoder(SMALL).eval()
    down = sizes(network.encoder, torch.zeros(2, 12, 32, 32))
    up = sizes(network.decoder, torch.zeros(2, *down[-1]))
    assert down == [(8, 16, 16), (8, 16, 16), (12, 8, 8), (6, 4, 4)]
    assert up == [*down[-2::-1], (4, 32, 32)]


def test_config_survives_json():
    assert AutoencoderConfig.from_dict(json.loads(json.dumps(SMALL.as_dict()))) == SMALL


@pytest.mark.parametrize(
    "wrong", [{"slices": 2}, {"size": 100}, {"layers": ((8, 3),)}], ids=["slices", "size", "stride"]
)
def test_impossible_shapes_are_refused(wrong):
    with pytest.raises(ValueError, match=r"odd|multiple|strides"):
        AutoencoderConfig(**wrong)


def test_all_that_passes_goes_through_the_latent():
    torch.manual_seed(0)
    network = Autoencoder(SMALL).eval()
    x = torch.rand(1, 12, 32, 32)
    with torch.no_grad():
        whole = network(x)
        torch.testing.assert_close(whole, network.decoder(network.encoder(x)))
        assert network.encoder(x).numel() == 6 * 4 * 4
