"""Imports point down, never up, and never between rooms of one level (DESIGN: the rooms)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cmrseg

SOURCE = Path(cmrseg.__file__).parent

# From top to bottom; rooms of one level do not know each other.
LEVELS: tuple[frozenset[str], ...] = tuple(
    map(
        frozenset,
        (
            ["bench"],
            ["cli"],
            ["commands"],
            ["whole"],
            [
                *("compare", "demo", "info", "judge", "lint_image", "reproduce", "serve"),
                *("submission", "transfer", "validate"),
            ],
            ["predict"],
            ["batch"],
            ["account"],
            ["challenges"],
            ["contracts"],
            ["training"],
            ["evaluation"],
            ["uncertainty", "quality"],
            ["networks"],
            ["synthetic"],
            ["report"],
            ["imaging"],
            ["bundle"],
            ["storage"],
            ["runtime"],
            ["errors"],
        ),
    )
)
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# Only these rooms open images, whose libraries count axes the other way round.
IMAGE_LIBRARIES = {"SimpleITK", "nibabel", "pydicom"}
OPENS_IMAGES = {"imaging"}


def modules(source: Path) -> dict[Path, str]:
    """Every module's file and its room."""
    files = [p for p in sorted(source.rglob("*.py")) if p != source / "__init__.py"]
    return {p: p.relative_to(source).parts[0].removesuffix(".py") for p in files}


def imported(path: Path) -> set[str]:
    """Full names of what a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def offences(source: Path) -> list[str]:
    """Imports that break the rule, in words."""
    found = []
    for path, room in modules(source).items():
        for name in sorted(imported(path)):
            top, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if top == "cmrseg" and other not in (room, "__version__"):
                if room not in LEVEL or other not in LEVEL:
                    found.append(f"{room} or {other} is no known room")
                elif LEVEL[other] <= LEVEL[room]:
                    found.append(f"{path.relative_to(source)} imports {other}")
            if top in IMAGE_LIBRARIES and room not in OPENS_IMAGES:
                found.append(f"{path.relative_to(source)} imports {top}")
    return found


def test_imports_point_down():
    assert offences(SOURCE) == []


def test_every_room_of_the_table_but_the_coming_one_is_there():
    assert set(LEVEL) - set(modules(SOURCE).values()) <= {"quality"}


def test_networks_are_layers_only():
    inside = [p for p, room in modules(SOURCE).items() if room == "networks"]
    assert inside
    for path in inside:
        ours = {name for name in imported(path) if name.startswith("cmrseg.")}
        assert all(name.startswith("cmrseg.networks.") for name in ours), path.name


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("imaging/read.py", "from cmrseg.cases.case import Case", "imports contracts"),
        ("imaging/read.py", "from cmrseg import bundle, batch", "imports batch"),
        ("uncertainty/a.py", "def f():\n    import cmrseg.quality.b", "imports quality"),
        ("quality/b.py", "from cmrseg.uncertainty import a", "imports uncertainty"),
        ("batch.py", "import cmrseg.cli.main", "imports cli"),
        ("cli.py", "from cmrseg import bench", "imports bench"),
        ("attic/a.py", "from cmrseg import errors", "no known room"),
        ("batch.py", "import SimpleITK as sitk", "imports SimpleITK"),
    ],
)
def test_the_rule_is_seen_to_be_broken(tmp_path, file, line, told):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(f"from cmrseg.runtime.errors import CmrsegError\n{line}\n")
    (offence,) = [o for o in offences(tmp_path) if told in o][:1]
    assert told in offence


def test_what_points_down_is_allowed(tmp_path):
    (tmp_path / "cli.py").write_text("from cmrseg import __version__, batch\nimport torch\n")
    (tmp_path / "batch.py").write_text("from cmrseg.cases.case import Case\n")
    assert offences(tmp_path) == []
