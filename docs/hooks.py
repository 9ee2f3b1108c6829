"""What MkDocs adds to docs/site: pages that lie elsewhere, and reference made from the code."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "src")]

import reference  # noqa: E402 - found by the line above

OUTSIDE = {
    ROOT / "docs": ("results", "datasheets"),
    ROOT: (
        "weights/emidec/MODEL_CARD.md",
        "weights/mnms2/MODEL_CARD.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
    ),
}
"""Folder -> files and folders in it that are shown under their own paths."""


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add what lies outside docs/site, and each notebook as a page."""
    for folder, names in OUTSIDE.items():
        for name in names:
            path = folder / name
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    place = file.relative_to(folder).as_posix()
                    files.append(
                        File(place, str(folder), config.site_dir, config.use_directory_urls)
                    )
    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            page = file.src_uri.replace(".ipynb", ".md")
            content = notebook(json.loads(file.content_string), Path(file.src_uri).name)
            files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put what is made from the code in its places; links of top-level pages lead into the site."""
    return reference.fill(markdown.replace("](docs/site/", "]("))


def notebook(cells: dict[str, Any], name: str) -> str:
    """A notebook as Markdown: its text, its code, and a link to the file."""
    parts = []
    for cell in cells["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    parts.insert(1, f"Download: [{name}]({name})")
    return "\n\n".join(parts) + "\n"
