"""The command line: quick to start, every command explained, errors in a line."""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import cmrseg
from cmrseg.cli import main
from cmrseg.quality.selection import TIE
from cmrseg.run.batch import Shard
from cmrseg.run.settings import Settings
from cmrseg_lab.cli import main as lab
from tiny import make_cache, make_checkpoint, save, volume

COMMANDS = (
    "predict",
    "demo",
    "judge",
    "evaluate",
    "compare",
    "serve",
    "evaluate-submission",
    "info",
    "completion",
)
LAB = ("prepare", "train", "pack")
HEAVY = ("torch", "numpy", "scipy", "SimpleITK", "nibabel", "monai", "matplotlib", "rich")


def ends(arguments):
    """Exit code of a command of either program."""
    return (lab if arguments[0] in LAB else main).main(arguments)


def told(capsys):
    """What a failed command said: one line."""
    out = capsys.readouterr()
    (line,) = out.err.splitlines()
    assert line.startswith("cmrseg: ")
    return line


def test_help_comes_at_once():
    """Start-up of the interpreter included; CPU seconds, which other programs do not stretch."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "cmrseg.cli.main", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3
    assert all(command in done.stdout for command in COMMANDS)
    assert "6 weights" in done.stdout


def test_the_command_line_loads_nothing_heavy():
    code = (
        "import sys, cmrseg.cli.main\n"
        "cmrseg.cli.main.parser().format_help()\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: cmrseg {command}")
    assert "==SUPPRESS==" not in text


def test_no_command_is_missing_here():
    (commands,) = [a for a in main.parser()._actions if a.choices]
    assert tuple(commands.choices) == COMMANDS


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == f"cmrseg {cmrseg.__version__}"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["segment"],
        ["predict"],
        ["predict", "acdc", "in", "out"],
        ["predict", "emidec", "in"],
        ["predict", "emidec", "in", "out", "--mirrors", "3"],
        ["predict", "emidec", "in", "out", "--samples", "-1"],
        ["predict", "emidec", "in", "out", "--samples", "1"],
        ["predict", "emidec", "in", "out", "--samples", "many"],
        ["predict", "emidec", "in", "out", "--contract", "dicom"],
        ["predict", "emidec", "in", "out", "--precision", "fp8"],
        ["predict", "emidec", "in", "out", "--time-budget", "0"],
        ["predict", "emidec", "in", "out", "--time-budget", "inf"],
        ["predict", "emidec", "in", "out", "--shard", "0/4"],
        ["predict", "emidec", "in", "out", "--shard", "5/4"],
        ["predict", "emidec", "in", "out", "--shard", "half"],
        ["predict", "emidec", "in", "out", "--cases", ","],
        ["predict", "emidec", "in", "out", "--cases", "a", "--shard", "1/2"],
        ["predict", "emidec", "in", "out", "--frame", "-1"],
        ["predict", "emidec", "in", "out", "--log-format", "xml"],
        ["train", "acdc", "cache", "run"],
        ["train", "emidec", "cache", "run", "--steps", "0"],
        ["train", "emidec", "cache", "run", "--fold", "x"],
        ["train", "emidec", "cache", "run", "--grey", "noise,colour"],
        ["pack", "emidec", "out"],
        ["preprocess", "emidec", "data", "cache"],
        ["synthesize", "emidec", "out"],
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("usage: cmrseg")
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["predct"], "predict"),
        (["predict", "mnms3", "a", "b"], "mnms2"),
        (["predict", "mnms2", "a", "b", "--miror", "1"], "--mirrors"),
        (["predict", "tests", "mnms2", "b"], "RECIPE INPUT OUTPUT"),
    ],
)
def test_a_wrong_word_gets_a_hint(arguments, hint, capsys, tmp_path, monkeypatch):
    (tmp_path / "tests").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main.main(arguments)
    assert hint in capsys.readouterr().err


def test_swapped_folders_are_recognised(case, tmp_path, capsys):
    assert main.main(["predict", "emidec", str(tmp_path / "out"), str(case)]) == 3
    assert "INPUT and OUTPUT swapped" in told(capsys)
    save(tmp_path / "truth" / "p_gt.nii.gz", volume(1))
    save(tmp_path / "masks" / "p_pred.nii.gz", volume(1))
    folders = [str(tmp_path / name) for name in ("truth", "masks")]
    assert main.main(["evaluate", "emidec", *folders]) == 2
    assert "swapped" in told(capsys)


@pytest.fixture
def case(tmp_path):
    """A folder with one image."""
    save(tmp_path / "in" / "p.nii.gz", volume(1))
    return tmp_path / "in"


def test_contradictions_end_with_2_too(case, bundles, tmp_path, capsys):
    make_cache(tmp_path / "cache", "emidec", patients=2)
    out, cache = (str(tmp_path / name) for name in ("out", "cache"))
    predict = ["predict", "emidec", str(case), out, "--weights", str(bundles)]
    for arguments, problem in (
        ([*predict, "--labels", "rv"], "--labels is an option of mnms2"),
        ([*predict, "--refine", "case"], "--refine is an option of mnms2"),
        ([*predict, "--contract", "mnms2"], "contract 'mnms2' is none of emidec's"),
        ([*predict, "--device", "abacus"], "there is no device abacus"),
        (["predict", "emidec", str(case), str(case)], "output folder holds input images"),
        (["train", "emidec", cache], "CACHE and RUN are missing"),
        (["train", "emidec", cache, out, "--fold", "5"], "there is no such fold"),
    ):
        assert ends(arguments) == 2, arguments
        assert problem in told(capsys)


def test_unusable_input_ends_with_3(tmp_path, capsys):
    make_cache(tmp_path / "cache", "emidec", patients=2)
    (tmp_path / "empty").mkdir()
    none, empty, out, cache = (str(tmp_path / n) for n in ("none", "empty", "out", "cache"))
    for arguments, problem in (
        (["predict", "emidec", none, out], "input folder does not exist"),
        (["predict", "mnms2", empty, out], "input folder is empty"),
        (["evaluate", "emidec", none, none], ""),
        (["prepare", "emidec", cache, f"x={empty}"], "no labelled images"),
        (["train", "emidec", none, out], "no cache"),
        (["train", "short_axis", cache, out], "of recipe emidec, not mnms2-sa"),
        (["train", "huge", cache, out], "no preset huge"),
        (["pack", "emidec", out, none], "no readable checkpoint"),
    ):
        assert ends(arguments) == 3, arguments
        assert problem in told(capsys)


def test_output_that_cannot_be_written_ends_with_5(case, bundles, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    make_cache(tmp_path / "cache", "emidec", patients=2)
    path = str(make_checkpoint(tmp_path / "run", "emidec"))
    below = str(blocked / "below")
    for arguments in (
        ["predict", "emidec", str(case), below, "--weights", str(bundles)],
        ["train", "emidec", str(tmp_path / "cache"), below, "--steps", "1"],
        ["pack", "emidec", below, path],
        ["pack", "emidec", str(case), path],
    ):
        assert ends(arguments) == 5, arguments
        told(capsys)
    assert blocked.read_text() == "in the way"


def test_a_signal_before_the_command_begins_is_no_fault(monkeypatch, capsys):
    def terminated():
        os.kill(os.getpid(), signal.SIGTERM)

    former = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("cmrseg.cli.main.share_cpus", terminated)
    assert main.main(["info"]) == 143
    assert signal.getsignal(signal.SIGTERM) == former, "nor one after it has ended"
    assert "terminated" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("cmrseg.run.predict.predict", interrupted)
    assert main.main(["predict", "emidec", "in", "out"]) == 130
    assert "interrupted" in told(capsys)


def values(settings):
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def test_options_reach_the_recipe(monkeypatch):
    seen = {}

    def predict(challenge, source, out, settings):
        seen.update(values(settings), challenge=challenge, source=source, out=out)
        return 4

    monkeypatch.setattr("cmrseg.run.predict.predict", predict)
    command = "predict mnms2 a b --labels rv1 --mirrors 2 --device cpu --weights w"
    command += " --frame 3 --time-budget 90 --resume --shard 2/4 --precision bf16"
    command += " --refine case --refine-budget 20 --case-timeout 0 --save-uncertainty"
    command += " --selection paper"
    assert main.main(command.split()) == 4
    assert seen == {
        "challenge": "mnms2",
        "source": Path("a"),
        "out": Path("b"),
        "contract": None,
        "weights": Path("w"),
        "device": "cpu",
        "labels": "rv1",
        "sockets": None,
        "mirrors": 2,
        "samples": 20,
        "septum_deg": None,
        "precision": "bf16",
        "frame": 3,
        "time_budget": 90.0,
        "case_timeout": None,
        "refine_s": 20.0,
        "tie": 0.0,
        "resume": True,
        "shard": Shard(2, 4),
        "cohort": [],
        "report": None,
        "save_uncertainty": True,
        "save_probabilities": False,
        "subjects": None,
        "dicom_seg": False,
        "command": f"cmrseg {command}".replace(" a b ", " INPUT OUTPUT ").replace(
            " w ", " WEIGHTS "
        ),
    }
    assert main.main(["predict", "emidec", "a", "b", "--report", "single-file"]) == 4
    assert (seen["report"], seen["command"]) == (
        "single-file",
        "cmrseg predict emidec INPUT OUTPUT --report single-file",
    )
    assert main.main(["predict", "emidec", "a", "b"]) == 4
    usual = {"precision": None, "frame": None, "time_budget": None, "resume": False, "shard": None}
    usual["tie"] = TIE
    assert usual.items() <= seen.items()


def test_options_reach_the_judge(monkeypatch, capsys):
    seen = {}

    def judge(source, out, candidates, settings):
        seen.update(values(settings), source=source, out=out, candidates=candidates)
        return 4

    monkeypatch.setattr("cmrseg.run.judge.judge", judge)
    command = "judge mnms2 a b --candidate ours=c --candidate monai=d=e --thresholds cohort"
    command += " --weights w --device cpu --labels rv --frame 3 --contract folder --no-report"
    command += " --resume --shard 2/3"
    assert main.main(command.split()) == 4
    assert seen == {
        **values(Settings()),
        "source": Path("a"),
        "out": Path("b"),
        "candidates": {"ours": Path("c"), "monai": Path("d=e")},
        "cohort": ["thresholds"],
        "weights": Path("w"),
        "device": "cpu",
        "labels": "rv",
        "frame": 3,
        "contract": "folder",
        "report": False,
        "command": "cmrseg judge mnms2 INPUT OUTPUT --candidate ours=CANDIDATE --candidate "
        "monai=CANDIDATE --thresholds cohort --weights WEIGHTS --device cpu --labels rv --frame 3 "
        "--contract folder --no-report --resume --shard 2/3",
        "resume": True,
        "shard": Shard(2, 3),
    }
    assert main.main(["judge", "mnms2", "a", "b", "--candidate", "A=c", "--candidate", "A=d"]) == 2
    assert "two candidates have one name" in capsys.readouterr().err
    for wrong in ("c", "=c", "A="):
        with pytest.raises(SystemExit) as ended:
            main.main(["judge", "mnms2", "a", "b", "--candidate", wrong])
        assert ended.value.code == 2
    with pytest.raises(SystemExit):
        main.main(["judge", "mnms2", "a", "b"])


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (MemoryError(), 7, "the memory does not suffice"),
        (RuntimeError("[enforce fail] can't allocate memory"), 7, "the memory does not suffice"),
        (
            ModuleNotFoundError(name="uvicorn"),
            2,
            "the package uvicorn is not installed. pip install",
        ),
        (ModuleNotFoundError(name="cmrseg.nowhere"), 1, "internal error (ModuleNotFoundError"),
        (KeyError("odd"), 1, "internal error (KeyError: 'odd'). Please report it"),
        (PermissionError(13, "Permission denied", "/out"), 5, "/out: Permission denied"),
    ],
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_last_line_is_the_reason(monkeypatch, capsys, error, code, reason, log_format):
    def fails(*args, **options):
        raise error

    monkeypatch.delenv("CMRSEG_DEBUG", raising=False)
    monkeypatch.setattr("cmrseg.run.predict.predict", fails)
    assert main.main(["predict", "emidec", "in", "out", "--log-format", log_format]) == code
    (line,) = capsys.readouterr().err.splitlines()
    if log_format == "json":
        told = json.loads(line)
        assert (told["level"], told["case"]) == ("error", None)
        line = told["message"]
    assert line.startswith(f"cmrseg: {reason}")


def test_every_line_of_a_run_is_json(case, bundles, tmp_path, capfd):
    """A truncated MHA too, on which ITK has a line of its own."""
    truncated = save(case / "jane_doe.mha", volume(2))
    truncated.write_bytes(truncated.read_bytes()[:-900])
    command = ["predict", "emidec", str(case), str(tmp_path / "out"), "--weights", str(bundles)]
    options = ["--device", "cpu", "--mirrors", "1", "--samples", "0", "--log-format", "json"]
    assert main.main([*command, *options]) == 4
    told = capfd.readouterr()
    out, err = ([json.loads(line) for line in text.splitlines()] for text in told)
    infos = [line for line in out if line["level"] == "info"]
    assert infos[0]["message"].startswith("Found 2 cases, plain folder")
    assert infos[-1]["message"].startswith("1 done, 1 need")
    assert infos[-1]["message"].endswith(f"Report: {tmp_path / 'out/report.html'}")
    done = [line["case"] for line in infos if line["case"]]
    assert done == ["case 1 of 2", "case 2 of 2"]
    # Untrained networks may find no heart, which is a warning.
    assert {line["level"] for line in out} <= {"info", "warning"}
    assert {line["level"] for line in err} == {"error"}
    assert "truncated" in err[0]["message"]
    assert err[-1]["message"].startswith("1 of 2 cases failed (summary.csv tells which), such as")
    assert "jane" not in told.out + told.err


@pytest.mark.parametrize("arguments", [["--version"], ["info"], ["info", "--json"]])
def test_what_only_tells_loads_no_torch(bundles, arguments):
    given = arguments if arguments == ["--version"] else [*arguments, "--weights", str(bundles)]
    code = (
        "import sys, cmrseg.cli.main\n"
        "try: code = cmrseg.cli.main.main(sys.argv[1:])\n"
        "except SystemExit as end: code = end.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules and name != 'numpy']\n"
        "print(code or 0, loaded, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, *given]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "0 []"
    assert "emidec" in done.stdout or cmrseg.__version__ in done.stdout


def test_a_reader_that_goes_away_is_no_error(bundles):
    command = f"{sys.executable} -m cmrseg.cli.main info --weights {bundles} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_errors_are_one_line_without_a_traceback(tmp_path):
    """In a process of its own, as a user sees it."""
    done = subprocess.run(
        [sys.executable, "-m", "cmrseg.cli.main", "info", "emidec", "--weights", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("cmrseg: no weights for emidec in ")


def test_sigterm_is_said_and_leaves_nothing_staged(tmp_path):
    """A platform that stops a run gets exit 143, one line, and no half result anywhere."""
    code = (
        "import os, signal, sys, tempfile, cmrseg.run.predict\n"
        "def stopped(*folders, **options):\n"
        "    with tempfile.TemporaryDirectory(prefix='cmrseg-'):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "cmrseg.run.predict.predict = stopped\n"
        "from cmrseg.cli.main import main\n"
        "sys.exit(main(['predict', 'mnms2', 'in', 'out']))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 143
    assert told.stderr == "cmrseg: terminated. Nothing half-written was left.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_working_folder_is_told(tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main.main(["info"]) == 2
    assert "working folder" in told(capsys)
