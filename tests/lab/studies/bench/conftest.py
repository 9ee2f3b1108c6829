from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cmrseg.imaging.volume import Geometry, Volume
from cmrseg.imaging.write import write
from cmrseg.models.bundle import FORMAT, MANIFEST, sealed, sha256
from cmrseg.models.unet import UNet, UNetConfig
from cmrseg_lab.training.prepare import RECIPES


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles of both challenges with tiny untrained networks."""
    torch.manual_seed(0)
    home = tmp_path_factory.mktemp("weights")
    for challenge in ("emidec", "mnms2"):
        folder = home / challenge
        folder.mkdir()
        networks = []
        for name, recipe in RECIPES.items():
            if name.split("-")[0] != challenge:
                continue
            config = UNetConfig(
                classes=len(recipe.labels) + 1,
                features=(4, 8),
                across=(False, challenge == "emidec"),
                dropout=(0.0, 0.1),
                deep_supervision=1,
            )
            save_file(UNet(config).state_dict(), folder / f"{name}.safetensors")
            networks.append(
                {"file": f"{name}.safetensors", "recipe": name, "config": config.as_dict()}
            )
        files = {n["file"]: sha256(folder / n["file"]) for n in networks}
        manifest = {
            "format": FORMAT,
            "challenge": challenge,
            "networks": networks,
            "files": files,
        }
        (folder / MANIFEST).write_text(sealed(json.loads(json.dumps(manifest))))
    return home


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small noisy case of each challenge."""
    home = tmp_path_factory.mktemp("samples")
    noise = np.random.default_rng(0)
    emidec = home / "emidec" / "Case_N001" / "Images" / "Case_N001.nii.gz"
    cine = home / "mnms2" / "7"
    shapes = {emidec: (3, 40, 44)}
    shapes |= {cine / f"7_SA_{phase}.nii.gz": (3, 40, 36) for phase in ("ED", "ES")}
    shapes |= {cine / f"7_LA_{phase}.nii.gz": (1, 48, 40) for phase in ("ED", "ES")}
    for path, shape in shapes.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        array = noise.normal(100, 20, shape).astype(np.float32)
        write(Volume(array, Geometry(shape, (10.0, 1.5, 1.5))), path)
    return home
