"""Progress that reads well on a terminal and in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

from cmrseg.runtime.logs import Line, tell

if TYPE_CHECKING:
    import rich.progress


class Progress:
    """A bar on a terminal that has rich, a plain line every few seconds elsewhere."""

    def __init__(self, total: int, what: str, every_s: float = 15.0) -> None:
        self.total, self.what, self.every_s = total, what, every_s
        self.started = self.last = time.monotonic()
        self.first: int | None = None
        self.bar = _bar(total, what) if sys.stdout.isatty() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        if self.bar:
            self.bar.stop()  # gives the terminal its cursor back

    def show(self, done: int, note: str = "") -> None:
        """Report ``done`` of ``total``; frequent calls are cheap."""
        if self.bar:
            self.bar.update(self.bar.task_ids[0], completed=done, note=note)
            return
        now = time.monotonic()
        if self.first is None:
            self.first = done - 1
        if now - self.last < self.every_s and done < self.total:
            return
        self.last = now
        rate = (done - self.first) / max(now - self.started, 1e-6)
        left = (self.total - done) / rate / 60
        tell(Line(f"{self.what} {done}/{self.total} {note} ({left:.0f} min left)"))


def _bar(total: int, what: str) -> rich.progress.Progress | None:
    """A started bar with rate, time left and a note; None without rich."""
    try:
        from rich import progress
    except ImportError:
        return None
    columns = (
        progress.TextColumn(what),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[note]}"),
    )
    bar = progress.Progress(*columns)
    bar.add_task(what, total=total, note="")
    bar.start()
    return bar
