"""The organisers' entry in ``docker/mnms2/model.py``."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ENTRY = Path(__file__).parents[2] / "docker/mnms2/model.py"


@pytest.fixture
def model():
    spec = importlib.util.spec_from_file_location("model", ENTRY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.model()


@pytest.mark.parametrize("code", [0, 3, 4])
def test_predict_runs_the_mnms2_recipe_on_the_folders(model, monkeypatch, code):
    calls = []
    fake = ModuleType("cmrseg.run.predict")
    fake.predict = lambda *args, **options: (calls.append((args, options)), code)[1]
    monkeypatch.setitem(sys.modules, "cmrseg.run.predict", fake)
    if code:
        with pytest.raises(RuntimeError, match=f"exit code {code}"):
            model.predict("IN", "OUT")
    else:
        assert model.predict("IN", "OUT") is None
    assert calls == [(("mnms2", "IN", "OUT"), {"labels": "rv"})]
