"""``python -m cmrseg_lab.studies.bench.counted ARGS``: cmrseg, telling how many network files it
loaded."""

from __future__ import annotations

import sys
from typing import Any

from cmrseg.cli.main import main
from cmrseg.models.bundle import Bundle

TOLD = "networks loaded:"


def counted(arguments: list[str]) -> tuple[int, int]:
    """Run a cmrseg command.

    Returns:
        Its exit code, and how many times a network's weights were read.
    """
    loads = 0
    original = Bundle.tensors

    def tensors(self: Bundle, file: str) -> dict[str, Any]:
        nonlocal loads
        loads += 1
        return original(self, file)

    Bundle.tensors = tensors  # type: ignore[method-assign]
    try:
        return main(arguments), loads
    finally:
        Bundle.tensors = original  # type: ignore[method-assign]


def loads_told(stderr: str) -> int:
    """The number of loads in what the command said on stderr."""
    line = next(line for line in stderr.splitlines() if line.startswith(TOLD))
    return int(line.removeprefix(TOLD))


if __name__ == "__main__":
    code, loads = counted(sys.argv[1:])
    print(TOLD, loads, file=sys.stderr)
    sys.exit(code)
