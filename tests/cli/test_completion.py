"""Completion knows what the parser knows."""

import shutil
import subprocess

import pytest

from cmrseg.cli.main import main


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_names_commands_options_and_choices(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "complete -o default -F _cmrseg cmrseg" in script
    assert "--resume" in script
    assert ("bashcompinit" in script) == (shell == "zsh")


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["cmrseg", "pre"], "predict"),
        (["cmrseg", "predict", "--res"], "--resume"),
        (["cmrseg", "predict", "emi"], "emidec"),
    ],
)
def test_bash_completes(typed, offered, capsys):
    main(["completion", "bash"])
    ask = f"COMP_WORDS=({' '.join(typed)}) COMP_CWORD={len(typed) - 1}; _cmrseg"
    script = f"{capsys.readouterr().out}\n{ask}; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [offered]
