"""The command as a user gives it: table, JSON, exit code, and an engine where one answers."""

import json
import subprocess
from uuid import uuid4

import pytest

from cmrseg_lab.cli import main
from cmrseg_lab.lint_image.engine import Engine
from lab.lint_image.archives import layer, save

STATIC = [
    "one image",
    "layers",
    "platform",
    "user",
    "api-method",
    "entrypoint",
    "size",
    "labels",
    "secrets",
    "secret files",
    "repository",
    "patients",
    "pickles",
    "permissions",
    "weights",
]
DYNAMIC = ["exec case", "invoke health", "invoke cases", "invoke sigterm"]


def test_a_good_archive(tmp_path, capsys):
    path = save(tmp_path / "image.tar")
    assert main.main(["lint-image", str(path), "--static"]) == 0
    out = capsys.readouterr()
    lines = out.out.splitlines()
    assert [line[6:19].strip() for line in lines] == STATIC + [name[:13] for name in DYNAMIC]
    assert [line[:4] for line in lines] == ["pass"] * len(STATIC) + ["skip"] * len(DYNAMIC)
    assert out.err == ""


def test_a_bad_archive(tmp_path, capsys):
    layers = [layer({"data/p.nii": b"", "root/.netrc": b"machine x"})]
    path = save(tmp_path / "image.tar", layers, settings={"User": "root"})
    assert main.main(["lint-image", str(path), "--static", "--json"]) == 3
    out = capsys.readouterr()
    told = json.loads(out.out)
    assert (told["image"], told["verdict"]) == (str(path), "fail")
    assert [check["name"] for check in told["checks"]] == STATIC + DYNAMIC
    bad = [check["name"] for check in told["checks"] if check["verdict"] == "fail"]
    assert bad == ["user", "entrypoint", "secret files", "patients"]
    assert all(check["remedy"] for check in told["checks"] if check["verdict"] in ("fail", "warn"))
    assert out.err == f"cmrseg: 4 of 19 checks failed: {', '.join(bad)}.\n"


def test_several_images_are_not_looked_into(tmp_path, capsys):
    path = save(tmp_path / "image.tar", images=2)
    assert main.main(["lint-image", str(path)]) == 3
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_without_an_engine_the_sample_cases_are_skipped_with_the_reason(tmp_path, capsys):
    path = save(tmp_path / "image.tar")
    command = ["lint-image", str(path), "--engine", str(tmp_path / "none"), "--json"]
    assert main.main(command) == 0
    checks = json.loads(capsys.readouterr().out)["checks"][len(STATIC) :]
    assert {check["verdict"] for check in checks} == {"skip"}
    assert all("is not installed" in check["found"] for check in checks)


def test_what_is_neither_file_nor_image(tmp_path, capsys):
    command = ["lint-image", "no-such-image", "--engine", str(tmp_path / "none")]
    assert main.main(command) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cmrseg: no-such-image is no file, and no engine can be asked")
    (tmp_path / "text.tar").write_text("hello")
    assert main.main(["lint-image", str(tmp_path / "text.tar")]) == 3
    assert "is no tar" in capsys.readouterr().err


@pytest.fixture
def engine():
    found = Engine()
    if problem := found.problem():
        pytest.skip(f"no container engine: {problem}")
    return found


@pytest.fixture
def tag(engine, tmp_path):
    """A real image without anything that could run."""
    name = f"cmrseg-lint-test:{uuid4().hex[:8]}"
    content = tmp_path / "content.tar"
    content.write_bytes(layer({"opt/run.sh": (b"#!/bin/sh\n", 0o755)}))
    told = ["--change", "USER 1000:1000", "--change", 'ENTRYPOINT ["/opt/run.sh"]']
    subprocess.run(["docker", "import", *told, content, name], check=True, capture_output=True)
    yield name
    engine.ask("image", "rm", "--force", name)


def verdicts(capsys):
    checks = json.loads(capsys.readouterr().out)["checks"]
    return {check["name"]: check["verdict"] for check in checks}


def test_an_engines_image_by_its_name(tag, capsys):
    assert main.main(["lint-image", tag, "--json", "--challenge", "emidec"]) == 3
    found = verdicts(capsys)
    assert [found[name] for name in STATIC[:7]] == ["pass"] * 7
    assert [found[name] for name in DYNAMIC] == ["fail", "fail", "skip", "skip"]


def test_an_engines_archive_is_loaded_and_removed_again(tag, engine, tmp_path, capsys):
    path = tmp_path / "image.tar"
    subprocess.run(["docker", "save", "-o", path, tag], check=True, capture_output=True)
    subprocess.run(["docker", "image", "rm", tag], check=True, capture_output=True)
    assert main.main(["lint-image", str(path), "--json", "--challenge", "emidec"]) == 3
    found = verdicts(capsys)
    assert [found[name] for name in STATIC[:7]] == ["pass"] * 7
    assert found["exec case"] == "fail"
    assert not engine.has(tag)


def test_an_unknown_name_is_told(engine, capsys):
    assert main.main(["lint-image", "cmrseg-no-such-image:1"]) == 3
    assert "there is no image cmrseg-no-such-image:1" in capsys.readouterr().err
