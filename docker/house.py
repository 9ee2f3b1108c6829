"""Size and shape of the code, beside the numbers this project holds itself to: ``make house``."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def lines(files: list[Path]) -> int:
    """Lines of all files together."""
    return sum(len(p.read_text(encoding="utf-8").splitlines()) for p in files)


def public_names(files: list[Path]) -> Counter[str]:
    """How often each public top-level class or function is defined."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [n.name for p in files for n in ast.parse(p.read_text()).body if isinstance(n, kinds)]
    return Counter(name for name in found if not name.startswith("_") and name != "main")


def main() -> None:
    """Print one line a number: what it is, now, and at most."""
    product, lab, tests = (
        sorted((ROOT / p).rglob("*.py")) for p in ("src/cmrseg", "src/cmrseg_lab", "tests")
    )
    both = product + lab
    text = "\n".join(p.read_text(encoding="utf-8") for p in both)
    named = [p for p in both if re.search(r'"(emidec|mnms2)"', p.read_text(encoding="utf-8"))]
    twice = sum(count > 1 for count in public_names(both).values())
    rows = (
        ("lines of the product", lines(product), 15_000),
        ("lines of the lab", lines(lab), 13_000),
        ("files of both", len(both), 190),
        ("public names defined more than once", twice, 14),
        ("dict[str, Any]", text.count("dict[str, Any]"), 59),
        ("files that name a challenge", len(named), 12),
        ("lines of the Makefile", lines([ROOT / "Makefile"]), 90),
        ("words of the README", len((ROOT / "README.md").read_text().split()), 1_200),
        ("lines of tests", lines(tests), 18_000),
    )
    for what, now, most in rows:
        print(f"{what:38}{now:>8,}{most:>10,}  {'met' if now <= most else ''}".rstrip())


if __name__ == "__main__":
    main()
