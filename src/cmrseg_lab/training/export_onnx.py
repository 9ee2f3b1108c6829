"""A bundle's networks as ONNX, with what comes before and after them, checked against our own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
import torch
from torch import Tensor, nn

from cmrseg.cases.case import ImageSource
from cmrseg.cases.challenge import Challenge
from cmrseg.imaging.grey_scale import LIMIT, STATISTICS_PERCENTILES
from cmrseg.imaging.overlap import dice
from cmrseg.imaging.postprocess import likeliest
from cmrseg.imaging.prepare import PERCENTILES
from cmrseg.imaging.volume import Array
from cmrseg.models.autoencoder import Autoencoder, AutoencoderConfig
from cmrseg.models.bundle import Bundle
from cmrseg.models.ensemble import Segmenter
from cmrseg.models.manifest import NetworkEntry
from cmrseg.models.unet import UNet, UNetConfig
from cmrseg.recipes.steps import prepared_image
from cmrseg.runtime.errors import CmrsegError, UsageError
from cmrseg_lab.synthetic.synthesize import sample_case
from cmrseg_lab.training.prepare import RECIPES

OPSET = 18
TOLERANCE = 1e-3
"""Probabilities may differ by so much, from the order in which numbers are added."""
CPU = torch.device("cpu")
DESCRIPTION = "networks.json"


class Checked(TypedDict):
    """How far ONNX Runtime is from our network, and the lowest Dice of both masks."""

    largest_difference: float
    dice: NotRequired[float]


class Exported(TypedDict):
    """What ``networks.json`` says of one network; ``input`` and ``output`` describe its tensors."""

    file: str
    recipe: str
    input: Mapping[str, object]
    output: Mapping[str, object]
    checked: Checked


class Probabilities(nn.Module):
    """A U-Net's finest head as probabilities.

    Args:
        network: of native execution, in evaluation mode.
    """

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """(1, channels, z, y, x) to (1, classes, z, y, x)."""
        return torch.softmax(self.network(image)[0], dim=1)


def export_onnx(bundle: Bundle, out: Path) -> list[Exported]:
    """Write ``<network>.onnx`` of each network, ``networks.json`` and ``README.md``.

    Args:
        bundle: whose networks.
        out: a folder, made if need be.

    Returns:
        What ``networks.json`` says of each network.

    Raises:
        UsageError: onnx or onnxruntime is not installed.
        CmrsegError: ONNX Runtime does not say what our network says.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "export-onnx needs onnx and onnxruntime", "pip install 'cmrseg-lab[onnx]'"
        ) from error
    out.mkdir(parents=True, exist_ok=True)
    told = []
    with tempfile.TemporaryDirectory() as scratch:
        case = sample_case(cast(Challenge, bundle.manifest["challenge"]), None, Path(scratch))
        for entry in bundle.networks:
            path = out / Path(entry["file"]).with_suffix(".onnx").name
            if entry["recipe"].endswith("-qc"):
                told.append(_autoencoder(bundle, entry, path))
            else:
                view = entry["recipe"].rpartition("-")[2].upper()
                role = next(r for r in case.images if r.startswith(view) or r == "LGE")
                told.append(_segmenter(bundle, entry, path, case.images[role]))
            if told[-1]["checked"]["largest_difference"] > TOLERANCE:
                raise CmrsegError(f"{path.name} differs from our network", "please report it")
    page = {
        "challenge": bundle.manifest["challenge"],
        "bundle": bundle.digest,
        "networks": told,
    }
    (out / DESCRIPTION).write_text(json.dumps(page, indent=1) + "\n", encoding="utf-8")
    (out / "README.md").write_text(_readme(page), encoding="utf-8")
    return told


def _segmenter(bundle: Bundle, entry: NetworkEntry, path: Path, source: ImageSource) -> Exported:
    recipe = RECIPES[entry["recipe"]]
    network = UNet(UNetConfig.from_dict(entry["config"]), "native")
    network.load_state_dict(bundle.tensors(entry["file"]))
    multiple, channels = network.config.multiple, network.config.in_channels
    example = torch.zeros(1, channels, 3, 2 * multiple, 4 * multiple)
    sizes = {2: "z", 3: "y", 4: "x"}
    _export(Probabilities(network), example, path, {"image": sizes, "probabilities": sizes})
    ours = Segmenter.from_bundle(bundle, recipe.name, CPU, precision="fp32")
    ours.networks = [ours.networks[bundle.of(recipe.name).index(entry)]]
    image = prepared_image(source, recipe.grid, ours.preparation)[1].image
    # Written out as whoever reads the description would write it.
    height, width = image.array.shape[1:]
    grown = [max(n, ours.least) + -max(n, ours.least) % multiple for n in (height, width)]
    edges = ((0, 0), (0, grown[0] - height), (0, grown[1] - width))
    shown = np.zeros((1, channels, len(image.array), *grown), np.float32)
    shown[0, 0] = np.pad(image.array, edges, mode="edge")
    theirs = _run(path, shown)[0, :, :, :height, :width]
    expected = ours.look(image).maps.mean(axis=0)
    masks = likeliest(expected), likeliest(theirs)
    same = [dice(masks[0] == label, masks[1] == label) for label in recipe.labels]
    return {
        "file": path.name,
        "recipe": recipe.name,
        "input": {
            "name": "image",
            "shape": [1, channels, "z", "y", "x"],
            "channels": ["image", "the other phase, zeros where there is none"][:channels],
            "spacing_mm": list(recipe.grid.spacing_mm),
            "grey_scale": ours.preparation,
            "multiple_of": multiple,
            "at_least": ours.least,
        },
        "output": {
            "name": "probabilities",
            "shape": [1, network.config.classes, "z", "y", "x"],
            "classes": {0: "background", **recipe.labels},
        },
        "checked": {"largest_difference": _difference(expected, theirs), "dice": min(same)},
    }


def _autoencoder(bundle: Bundle, entry: NetworkEntry, path: Path) -> Exported:
    config = AutoencoderConfig.from_dict(entry["config"])
    network = Autoencoder(config).eval()
    network.load_state_dict(bundle.tensors(entry["file"]))
    labels = torch.randint(
        config.classes,
        (2, config.slices, config.size, config.size),
        generator=torch.Generator().manual_seed(0),
    )
    x = nn.functional.one_hot(labels, config.classes).permute(0, 1, 4, 2, 3).flatten(1, 2).float()
    plain = nn.Sequential(network.encoder, network.decoder)
    _export(plain, x, path, {"masks": {0: "n"}, "logits": {0: "n"}})
    with torch.inference_mode():
        expected = network(x).numpy()
    side = [config.size, config.size]
    return {
        "file": path.name,
        "recipe": entry["recipe"],
        "input": {"name": "masks", "shape": ["n", config.slices * config.classes, *side]},
        "output": {"name": "logits", "shape": ["n", config.classes, *side]},
        "checked": {"largest_difference": _difference(expected, _run(path, x.numpy()))},
    }


def _export(network: nn.Module, x: Tensor, path: Path, sizes: dict[str, dict[int, str]]) -> None:
    given, found = sizes
    with torch.inference_mode():
        torch.onnx.export(
            network.eval(),
            (x,),
            path,
            input_names=[given],
            output_names=[found],
            dynamic_axes=sizes,
            opset_version=OPSET,
            dynamo=False,
        )


def _run(path: Path, x: Array) -> Array:
    """What ONNX Runtime says."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: Array = session.run(None, {session.get_inputs()[0].name: x})[0]
    return found


def _difference(ours: Array, theirs: Array) -> float:
    return float(np.abs(ours - theirs).max())


def _readme(page: Mapping[str, Any]) -> str:
    """Pre- and post-processing in words, and how well the files agree with cmrseg."""
    rows = [
        f"| {n['file']} | {n['checked']['largest_difference']:.1e} "
        f"| {n['checked'].get('dice', '')} |"
        for n in page["networks"]
    ]
    low, high = STATISTICS_PERCENTILES
    first, last = PERCENTILES
    return f"""# Networks of {page["challenge"]} as ONNX

Exported by `cmrseg-lab export-onnx` from the bundle {page["bundle"][:12]}, whose licence and limits
(MODEL_CARD.md) hold for these files. `{DESCRIPTION}` has shapes, spacings and classes.

| file | largest difference from cmrseg (fp32) | lowest Dice with its mask |
|---|---|---|
{chr(10).join(rows)}

## Before

1. Bring the axes to (slice, row, column); rows run towards the patient's back, columns towards the
   patient's left, as nearly as the image plane allows. Swap and flip only.
2. Grey values, as `grey_scale` says. `interior`, before step 3: cut off the constant border; clip
   to percentiles {low:g} and {high:g} of the rest for mean and deviation; subtract the mean, divide
   by the deviation, clip to ± {LIMIT:g}. `nonzero`, after step 3: percentiles {first:g}
   and {last:g} of the voxels that are not 0; clip to them, subtract the mean, divide.
3. Resample linearly to `spacing_mm`; slices (null) stay as they are.
4. Where the network has two channels, the second is the patient's other phase (ED or ES), prepared
   alike on the same voxels; zeros where there is none.
5. Grow rows and columns at their far ends, repeating the edge, to `at_least` and to a multiple of
   `multiple_of`. float32, (1, channel, z, y, x).

## After

1. Cut off what was grown; the mean over networks, and over flips of x and y, if you compute them.
2. Resample the probabilities linearly to the image's voxels, axes as stored; 0 in the border.
3. The likeliest class; the largest connected piece of the heart.

cmrseg does more: it crops large images to the heart, chooses among networks by the autoencoders'
pseudo-Dice (mnms2) or applies anatomical rules (emidec), and says how far to trust the result.
Files of `-qc` are those autoencoders: one-hot masks of neighbouring slices in, logits of the middle
one out.
"""
