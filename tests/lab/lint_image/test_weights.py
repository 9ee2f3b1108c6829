"""The bundle in the layers: found, whole, readable, and where it is looked for."""

import io
import json

import pytest

from cmrseg.models import bundle
from cmrseg_lab.lint_image.archive import Image
from cmrseg_lab.lint_image.layers import merged, read_layer
from cmrseg_lab.lint_image.weights import weights as check_weights
from lab.lint_image.archives import layer, weights

CARD = "opt/cmrseg/weights/emidec/MODEL_CARD.md"
MANIFEST = "opt/cmrseg/weights/emidec/manifest.json"
NUMBERS = "opt/cmrseg/weights/emidec/a.safetensors"


def look(*layers, challenge=None, env=()):
    files = merged(read_layer(io.BytesIO(layer(one))) for one in layers)
    return check_weights(Image({"config": {"Env": list(env)}}, ()), files, challenge)


def altered(**changed):
    """A manifest changed by hand, its seal kept."""
    manifest = json.loads(weights()[MANIFEST]) | changed
    return {MANIFEST: json.dumps(manifest).encode()}


def test_a_whole_bundle():
    check = look(weights(), challenge="emidec")
    assert check.verdict == "pass"
    assert "/opt/cmrseg/weights/emidec, 2 files" in check.found


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ({NUMBERS: b"other numbers"}, "a.safetensors in /opt/cmrseg/weights/emidec was altered"),
        ({f"{CARD[:-13]}.wh.MODEL_CARD.md": b""}, "MODEL_CARD.md is missing"),
        ({NUMBERS: (weights()[NUMBERS], 0o640)}, "may not be read by an arbitrary user"),
        ({MANIFEST: (weights()[MANIFEST], 0o600)}, "manifest.json in"),
        (altered(networks=["more"]), "the manifest in /opt/cmrseg/weights/emidec was altered"),
        (altered(format=bundle.FORMAT + 1), "has format"),
    ],
)
def test_faults(later, told):
    check = look(weights(), later)
    assert check.verdict == "fail"
    assert told in check.found


def test_another_challenges_bundle():
    check = look(weights(), challenge="mnms2")
    assert check.verdict == "fail"
    assert "not mnms2" in check.found


def test_a_bundle_where_nobody_looks():
    files = weights(folder="srv/w")
    assert "/srv/w" in look(files).found
    assert look(files, env=["CMRSEG_WEIGHTS=/srv/w"]).verdict == "pass"
    assert look(weights(folder="opt/ml/model")).verdict == "pass"


def test_no_bundle_is_for_the_platforms_model_upload():
    assert look({"opt/manifest.json": b"[1]", "srv/manifest.json": b"no json"}).verdict == "warn"
