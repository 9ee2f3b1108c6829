"""What all pages of studies are made of."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from cmrseg.evaluation.table import TextTable


def details(command: str) -> str:
    """The command that made a page, folded away, as Markdown."""
    return f"<details><summary>Command</summary>\n\n```sh\n{command}\n```\n</details>"


def markdown(table: pd.DataFrame, decimals: Mapping[str, int]) -> str:
    """A pipe table: what rows are grouped by to the left, numbers to the right."""
    lines = []
    for key, row in table.iterrows():
        cells = [
            "-" if pd.isna(value) else f"{value:.{decimals.get(str(name), 0)}f}"
            for name, value in row.items()
        ]
        lines.append([*map(str, key if isinstance(key, tuple) else (key,)), *cells])
    header = [*map(str, table.index.names), *(c.replace("_", " ") for c in table.columns)]
    return TextTable(header=header, lines=lines).markdown(words=table.index.nlevels)
