"""The page that a reproduction writes: words, tables and figures, each table a CSV file too."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from cmrseg.evaluation.table import TextTable

PAGE = "README.md"


@dataclass(slots=True)
class Page:
    """A Markdown page that grows, with tables that are CSV files too.

    Attributes:
        out: folder of page, tables and figures.
        made: how the tables were made, told under each.
        parts: the page so far.
        files: what was written.
    """

    out: Path
    made: str
    parts: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def say(self, *words: str) -> None:
        """Add paragraphs."""
        self.parts += words

    def table(self, name: str, grid: TextTable) -> None:
        """Add a table, and write it as ``<name>.csv``."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([grid.header, *grid.lines])
        self.keep(f"{name}.csv", text.getvalue())
        self.say(grid.markdown(), f"<sub>{self.made}; [{name}.csv]({name}.csv)</sub>")

    def figure(self, name: str, words: str) -> Path:
        """Add a figure and return where to draw it."""
        self.say(f"![{words}]({name}.png)", words)
        self.files.append(self.out / f"{name}.png")
        return self.files[-1]

    def close(self) -> None:
        """Write the page."""
        self.keep(PAGE, "\n\n".join(self.parts) + "\n")

    def keep(self, name: str, text: str) -> None:
        """Write a file beside the page."""
        (self.out / name).write_text(text, encoding="utf-8")
        self.files.append(self.out / name)
