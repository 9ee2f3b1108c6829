"""Progress in a log: whole lines now and then."""

import re

from cmrseg.runtime import Progress
from cmrseg.runtime import progress as module


def test_progress_is_whole_lines_now_and_then(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    progress = Progress(600, "emidec")
    for done in range(1, 601):
        now[0] += 0.125
        progress.show(done, "loss 1.5")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert re.fullmatch(r"emidec 120/600 loss 1.5 \(1 min left\)", lines[0])
    assert lines[-1] == "emidec 600/600 loss 1.5 (0 min left)"


def test_a_resumed_run_is_not_thought_faster_than_it_is(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    progress = Progress(1000, "emidec", every_s=0.0)
    for done in (901, 902):
        now[0] += 60
        progress.show(done)
    assert capsys.readouterr().out.splitlines()[-1].endswith("(98 min left)")
