"""What is counted when mirror images and samples are timed."""

import pytest

from cmrseg.recipes.emidec import SAMPLES
from cmrseg_lab.studies.bench import doubt


class Clockwork:
    """A segmenter of two networks whose every pass takes a second, and every sample a half."""

    precision = "fp32"

    def __init__(self, now):
        self.networks, self.now = [None, None], now

    def mirrored(self, image, mirrors):
        self.now[0] += len(self.networks) * mirrors

    def dropout_samples(self, image, samples):
        self.now[0] += samples / 2


def test_five_folds_follow_from_two(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(doubt.time, "perf_counter", lambda: now[0])
    mirrors, samples, ratio, five = doubt.sampling_rows(Clockwork(now), None, rounds=3)
    assert mirrors.value.values == (8.0,) * 3
    assert samples.value.median == SAMPLES / 2
    assert ratio.value.median == pytest.approx(0.5)
    assert five.value.median == 5 * 4 + SAMPLES / 2
    assert five.met is False
    assert "2 networks, fp32" in mirrors.figure
