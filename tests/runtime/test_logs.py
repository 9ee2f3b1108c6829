"""Lines: whole, UTF-8, on the right stream, in words or as JSON."""

import io
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from cmrseg.runtime.logs import JsonLines, Line, formatted, one_line, silenced, tell


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (Line("done in 2 s"), "done in 2 s"),
        (Line("done\nin 2 s", case="case 12"), "case 12: done in 2 s"),
        (Line("LA missing", "warning", "case 12"), "case 12: warning: LA missing"),
        (Line("truncated. Copy it.", "error", "case \udce4"), "case \\udce4: truncated. Copy it."),
    ],
)
def test_in_words(line, words):
    assert str(line) == words


def test_errors_go_to_stderr_alone(capsys):
    for line in (Line("a"), Line("b", "warning"), Line("c", "error")):
        tell(line)
    told = capsys.readouterr()
    assert told.out == "a\nwarning: b\n"
    assert told.err == "c\n"


def test_as_json_whoever_prints(capsys):
    with formatted("json"):
        tell(Line("done", case="case 12"))
        tell(Line("LA\nmissing", "warning", "case ä"))
        tell(Line("bad \udce4", "error", "case 13"))
        print("printed by", "someone")
        print("two\nlines", file=sys.stderr)
        sys.stdout.write("cut ")
        sys.stdout.write("off")
    print("as before")
    told = capsys.readouterr()
    *lines, last = told.out.splitlines()
    out, err = ([json.loads(t) for t in texts] for texts in (lines, told.err.splitlines()))
    assert last == "as before"
    short = [(o["level"], o["case"], o["message"]) for o in out]
    assert short == [
        ("info", "case 12", "done"),
        ("warning", "case ä", "LA missing"),
        ("info", None, "printed by someone"),
        ("info", None, "cut off"),
    ]
    assert [(o["level"], o["message"]) for o in err] == [
        ("error", "bad \\udce4"),
        ("error", "two"),
        ("error", "lines"),
    ]
    assert all(set(o) == {"level", "time", "case", "message"} for o in out + err)
    assert datetime.fromisoformat(out[0]["time"]).utcoffset().total_seconds() == 0


def test_an_endless_line_is_cut():
    stream = io.StringIO()
    with JsonLines(stream, "info") as lines:
        print("x" * 70_000, file=lines)
    assert len(stream.getvalue()) < 65_536
    assert len(str(Line("x" * 70_000))) < 65_536


def test_utf8_whatever_the_locale():
    code = (
        "from cmrseg.runtime.logs import Line, tell, use_utf8\n"
        "use_utf8(); tell(Line('größe \\udce4')); tell(Line('größe', 'error'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert done.stdout == "größe \\udce4\n".encode()
    assert done.stderr == "größe\n".encode()


@pytest.mark.parametrize("bad", ["\x1b[2J", "\x07", "\x9b", "\u202e", "\udcff", "\x7f"])
def test_no_terminal_takes_a_name_for_a_command(bad):
    line = one_line(f"case a{bad}b")
    assert line.startswith("case a")
    assert line.endswith("b")
    assert line.isprintable()


def test_letters_of_any_script_stay():
    assert one_line("Пример 例 é") == "Пример 例 é"


def test_stderr_is_dropped_inside_and_back_outside(capfd):
    print("before", file=sys.stderr)
    try:
        with silenced():
            os.write(2, b"/data/jane_doe.mha: not read completely\n")
            raise OSError
    except OSError:
        os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_handles_are_given_back():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with silenced():
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
