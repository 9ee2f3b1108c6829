"""The container files agree with each other and with the code (.ci/containers tests the images)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal as signals
import subprocess
import tomllib
from pathlib import Path

import pytest

import cmrseg

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "docker/locks"
DOCKERFILES = [
    ROOT / "Dockerfile.emidec",
    ROOT / "Dockerfile.mnms2",
    ROOT / "docker/Dockerfile.train",
]
EVALUATE = ROOT / "docker/Dockerfile.evaluate"


def instructions(path: Path) -> str:
    """A Dockerfile without its comments."""
    lines = path.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def pins(lock: str) -> dict[str, str]:
    """Package -> version."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (LOCKS / f"{lock}.txt").read_text(), re.M))


def test_inference_images_differ_in_the_challenge_alone():
    emidec, mnms2 = (instructions(path) for path in DOCKERFILES[:2])
    assert emidec.replace("emidec", "mnms2") == mnms2


@pytest.mark.parametrize("path", [*DOCKERFILES, EVALUATE], ids=lambda path: path.name)
def test_dockerfile(path):
    text = instructions(path)
    assert "# syntax" not in path.read_text()
    assert re.search(r"^ARG BASE_IMAGE=\S+@sha256:[0-9a-f]{64}$", text, re.M)
    assert f"ARG VERSION={cmrseg.__version__}\n" in text
    (user,) = re.findall(r"^USER (\d+):\d+$", text, re.M)
    assert int(user) > 0


def test_all_images_start_with_the_same_packages():
    def packages(path: Path) -> str:
        return instructions(path).split("FROM packages AS code")[0]

    assert len({packages(path) for path in DOCKERFILES}) == 1


@pytest.mark.parametrize(
    "lock", ["inference-cpu", "train-cpu", "inference-cu126", "train-cu126", "evaluate"]
)
def test_every_package_of_a_lock_has_a_hash(lock):
    blocks = re.split(r"^(?=[\w.-]+==)", (LOCKS / f"{lock}.txt").read_text(), flags=re.M)[1:]
    assert len(blocks) == len(pins(lock)) > 10
    assert all("--hash=sha256:" in block for block in blocks)


def test_locks_agree():
    inference, train = pins("inference-cpu"), pins("train-cpu")
    assert inference["torch"].endswith("+cpu")
    common = set(inference) & set(train)
    assert {name: inference[name] for name in common} == {name: train[name] for name in common}
    for name, cpu in (("inference", inference), ("train", train)):
        assert pins(f"{name}-cu126") == {p: v for p, v in cpu.items() if p != "torch"}


def test_scoring_needs_evalutils_and_no_torch():
    inference, scoring = pins("inference-cpu"), pins("evaluate")
    assert scoring["evalutils"] == "0.4.2"
    assert "torch" not in scoring
    common = set(inference) & set(scoring)
    assert {"numpy", "scipy", "simpleitk", "nibabel"} <= common
    assert {name: inference[name] for name in common} == {name: scoring[name] for name in common}
    assert "ARG LICENSES=Apache-2.0\n" in instructions(EVALUATE)


def test_torch_of_venv_and_images_is_the_same():
    script = (ROOT / "docker/torch.sh").read_text()
    (version,) = re.findall(r"TORCH_VERSION:-([\d.]+)", script)
    assert pins("inference-cpu")["torch"] == f"{version}+cpu"


def test_inference_needs_nothing_to_test_build_or_train():
    unwanted = {"pytest", "monai", "tensorboard", "notebook", "ruff", "mypy", "matplotlib", "wheel"}
    assert not unwanted & set(pins("inference-cpu"))


def test_expected_masks_are_tiny_and_complete():
    masks = list((ROOT / "tests/containers/expected").rglob("*.nii.gz"))
    assert sum(path.stat().st_size for path in masks) < 50_000
    samples = [ROOT / "tests/samples" / challenge for challenge in ("emidec", "mnms2")]
    images = [p for s in samples for p in s.rglob("*.nii.gz") if p.parent.name != "Contours"]
    assert len(masks) == len([p for p in images if not p.name.endswith("_gt.nii.gz")])


@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_a_signal_reaches_the_child_and_its_code_comes_back(tmp_path, signal):
    stand_in = tmp_path / "cmrseg"
    stand_in.write_text(
        "#!/bin/sh\ntrap 'echo last words; exit 143' TERM\necho up\nwhile :; do sleep 0.05; done\n"
    )
    stand_in.chmod(0o755)
    process = subprocess.Popen(
        [ROOT / "docker/image.sh", "emidec"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
        # What a background shell starts ignores SIGINT, and no trap undoes that.
        preexec_fn=lambda: signals.signal(signals.SIGINT, signals.SIG_DFL),
    )
    assert process.stdout.readline() == "up\n"
    process.send_signal({"TERM": 15, "INT": 2}[signal])
    assert process.communicate(timeout=20)[0] == "last words\n"
    assert process.returncode == 143


def test_an_image_with_other_weights_says_so_in_its_labels(tmp_path):
    for name in ("docker", "src/cmrseg", "weights/emidec", "weights/mine"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("docker/build.sh", "src/cmrseg/__init__.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("emidec", "mine"):
        (tmp_path / "weights" / name / "manifest.json").write_text(name)
    for command in (["init", "-q"], ["add", "weights/emidec"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    stand_in = tmp_path / "bin/docker"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)

    def told(*options):
        return subprocess.run(
            [tmp_path / "docker/build.sh", "emidec", *options],
            env={"PATH": f"{stand_in.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    committed, own = told(), told("--build-arg", "WEIGHTS=weights/mine")
    for words, name in ((committed, "emidec"), (own, "mine")):
        assert f"WEIGHTS_DIGEST={hashlib.sha256(name.encode()).hexdigest()}" in words
    assert "LICENSES" not in committed
    assert "LICENSES=Apache-2.0 AND LicenseRef-weights" in own


def test_options_of_an_image_are_no_patterns(tmp_path):
    (tmp_path / "cmrseg").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "cmrseg").chmod(0o755)
    told = subprocess.run(
        [ROOT / "docker/image.sh", "emidec"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "CMRSEG_OPTIONS": "--weights c*"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "predict emidec --weights c* /input /output\n"


def test_no_program_of_an_image_changes_the_user_and_none_installs(tmp_path):
    kept = [tmp_path / name for name in ("usr/bin/python3", "var/lib/dpkg/status")]
    gone = [
        tmp_path / name
        for name in (
            *("usr/bin/apt-get", "usr/bin/dpkg", "usr/local/bin/pip3", "usr/lib/apt/methods"),
            "usr/local/lib/python3.11/site-packages/pip/x.py",
        )
    ]
    su = tmp_path / "usr/bin/su"
    for path in (*kept, *gone, su):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("something")
        path.chmod(0o755)
    su.chmod(0o4755)
    subprocess.run([ROOT / "docker/strip.sh", tmp_path], check=True)
    assert su.stat().st_mode & 0o7777 == 0o755
    assert all(path.read_text() == "something" for path in (*kept, su))
    assert not any(path.read_text() or path.stat().st_mode & 0o111 for path in gone)
    for path in (*DOCKERFILES[:2], EVALUATE):
        assert instructions(path).rpartition("FROM ")[2].count("strip.sh sh /strip.sh") == 1


def test_a_signal_that_comes_before_the_child_ends_it_too(tmp_path):
    script = tmp_path / "early.sh"
    script.write_text(f". {ROOT / 'docker/child.sh'}\nkill -TERM $$\nrun sleep 60\nexit $code\n")
    told = subprocess.run(["sh", script], check=False, timeout=30)
    assert told.returncode == 143


def test_a_child_killed_for_memory_is_told_of(tmp_path):
    stand_in = tmp_path / "cmrseg"
    stand_in.write_text("#!/bin/sh\nkill -KILL $$\n")
    stand_in.chmod(0o755)
    told = subprocess.run(
        [ROOT / "docker/image.sh", "emidec"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 137
    assert "more memory" in told.stderr.splitlines()[-1]


def test_the_licence_is_told_alike_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    code = project["license"]
    name, version = code.split("-")
    head = (ROOT / project["license-files"][0]).read_text()[:200]
    assert name in head
    assert f"Version {version}" in head
    label = re.compile(r'^ARG LICENSES="?([^"\n]+)"?$', re.M)
    assert [label.findall(instructions(path)) for path in DOCKERFILES] == [
        [f"{code} AND CC-BY-NC-SA-4.0"],
        [f"{code} AND CC-BY-NC-SA-4.0"],
        [code],
    ]
    for manifest in (ROOT / "weights").glob("*/manifest.json"):
        data = json.loads(manifest.read_text())["data"].values()
        assert any(one["licence"].startswith("CC BY-NC-SA 4.0") for one in data)


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        ("https://host.example/us/cmrseg.git", "https://host.example/us/cmrseg.git"),
        ("https://me:secret@host.example/us/cmrseg", "https://host.example/us/cmrseg"),
        ("git@host.example:us/cmrseg.git", "https://host.example/us/cmrseg.git"),
        ("/srv/git/cmrseg", "unknown"),
        ("", "unknown"),
    ],
)
def test_an_image_tells_where_its_code_is_without_logins(tmp_path, origin, source):
    for name in ("docker", "src/cmrseg"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(ROOT / "docker/build.sh", tmp_path / "docker")
    shutil.copy(ROOT / "src/cmrseg/__init__.py", tmp_path / "src/cmrseg")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    if origin:
        subprocess.run(["git", "remote", "add", "origin", origin], cwd=tmp_path, check=True)
    stand_in = tmp_path / "bin/docker"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    environment = {"PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
    command = [tmp_path / "docker/build.sh", "emidec", "--build-arg", "WEIGHTS=weights/mine"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert f"--build-arg SOURCE={source} " in told.stdout
    assert "LICENSES" not in told.stdout
    assert told.stdout.endswith("--build-arg WEIGHTS=weights/mine .\n")
    assert f"-t cmrseg-emidec:{cmrseg.__version__} -t cmrseg-emidec:latest" in told.stdout
