"""Which execution a device uses."""

import pytest
import torch

from cmrseg.models.layout import usual_execution


@pytest.mark.parametrize(("device", "execution"), [("cpu", "folded"), ("cuda:1", "native")])
def test_the_device_decides(device, execution):
    assert usual_execution(torch.device(device)) == execution
