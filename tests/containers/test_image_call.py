"""``docker/image.sh``: how an image's arguments become a cmrseg command."""

import os
import subprocess
from pathlib import Path

import pytest

ENTRY = Path(__file__).parents[2] / "docker/image.sh"


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ([], "predict mnms2 /input /output"),
        (["{folder}", "{folder}/out"], "predict mnms2 --labels rv {folder} {folder}/out"),
        (
            ["{folder}", "{folder}/out", "--labels", "all"],
            "predict mnms2 --labels rv {folder} {folder}/out --labels all",
        ),
        (["--labels", "all"], "predict mnms2 /input /output --labels all"),
        (["serve"], "serve mnms2"),
        (["serve", "--port", "80"], "serve mnms2 --port 80"),
        (["serve", "mnms2"], "serve mnms2"),
        (["info"], "info mnms2"),
        (["info", "mnms2"], "info mnms2"),
        (["evaluate", "mnms2", "a/b", "c/d"], "evaluate mnms2 a/b c/d"),
        (["--version"], "--version"),
    ],
)
def test_arguments(tmp_path, given, called):
    stand_in = tmp_path / "cmrseg"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    command = [str(ENTRY), "mnms2", *(part.format(folder=tmp_path) for part in given)]
    path = f"{tmp_path}:{os.environ['PATH']}"
    told = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, check=False)
    assert told.stdout.strip() == called.format(folder=tmp_path)


@pytest.mark.parametrize(
    ("api", "called"), [("invoke", "serve emidec"), ("exec", "predict emidec /input /output")]
)
def test_without_arguments_the_label_decides(tmp_path, api, called):
    stand_in = tmp_path / "cmrseg"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CMRSEG_API": api}
    told = subprocess.run(
        [str(ENTRY), "emidec"], env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == called


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ([], "predict emidec {options} /input /output"),
        (["--samples", "2"], "predict emidec {options} /input /output --samples 2"),
        (["{folder}", "{folder}/out"], "predict emidec {options} {folder} {folder}/out"),
        (["serve", "--port", "80"], "serve emidec {options} --port 80"),
        (["info"], "info emidec"),
        (["--version"], "--version"),
    ],
)
def test_options_of_the_image_come_first(tmp_path, given, called):
    stand_in = tmp_path / "cmrseg"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    options = "--mirrors 1 --samples 0"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CMRSEG_OPTIONS": options}
    command = [str(ENTRY), "emidec", *(part.format(folder=tmp_path) for part in given)]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == called.format(folder=tmp_path, options=options)
