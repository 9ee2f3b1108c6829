"""Which room may import which: the product never the lab, no room in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cmrseg

SOURCE = Path(cmrseg.__file__).parents[1]
# From top to bottom: a room imports those below it alone.
PRODUCT = (
    "cli",
    "evaluation",
    "run",
    "recipes",
    "report",
    "cases",
    "quality",
    "models",
    "imaging",
    "runtime",
)
LAB = ("cli", "studies", "lint_image", "training", "synthetic")
LEVELS = (*(f"cmrseg_lab.{room}" for room in LAB), *(f"cmrseg.{room}" for room in PRODUCT))
# Only this room opens images, whose libraries count axes the other way round.
IMAGE_LIBRARIES = {"SimpleITK", "nibabel", "pydicom"}
OPENS_IMAGES = "cmrseg.imaging"


def imported(text: str) -> set[str]:
    """Full names of what a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def offences(name: str, text: str) -> list[str]:
    """Imports of one module that break the rule.

    Args:
        name: the module's full name.
        text: its source.
    """
    room = ".".join(name.split(".")[:2])
    found = []
    for other in sorted(imported(text)):
        package, _, rest = other.partition(".")
        target = f"{package}.{rest.partition('.')[0]}"
        if package in IMAGE_LIBRARIES and room != OPENS_IMAGES:
            found.append(f"{name} imports {package}")
        if package not in ("cmrseg", "cmrseg_lab") or other == "cmrseg.__version__":
            continue
        if target not in LEVELS or room not in LEVELS:
            found.append(f"{name} or {other} is in no known room")
        elif target != room and LEVELS.index(target) < LEVELS.index(room):
            found.append(f"{name} imports {other}")
    return found


def modules() -> dict[str, Path]:
    """Every module but the packages' own files (``python -m cmrseg`` is one)."""
    own = ("cmrseg/__main__.py", "cmrseg_lab/__main__.py")
    files = [p for p in sorted(SOURCE.rglob("*.py")) if p.name != "__init__.py"]
    files = [p for p in files if p.relative_to(SOURCE).as_posix() not in own]
    return {".".join(p.relative_to(SOURCE).with_suffix("").parts): p for p in files}


def test_imports_point_down():
    found = [
        o
        for name, path in modules().items()
        for o in offences(name, path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("cmrseg.run.predict", "from cmrseg_lab.training import fit", 1),
        ("cmrseg.imaging.read", "import cmrseg.run.predict", 1),
        ("cmrseg.run.predict", "from cmrseg.nowhere import x", 1),
        ("cmrseg.report.page", "import SimpleITK", 1),
        ("cmrseg_lab.training.loop", "from cmrseg.imaging.read import read", 0),
        ("cmrseg.cli.main", "from cmrseg import __version__", 0),
    ],
)
def test_what_breaks_the_rule_is_found(name, text, count):
    assert len(offences(name, text)) == count
