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
        (["{folder}", "{folder}/out"], "predict mnms2 {folder} {folder}/out"),
        (["info", "mnms2"], "info mnms2"),
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
