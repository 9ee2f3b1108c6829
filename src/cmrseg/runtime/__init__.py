"""The machine: threads, device, precision, memory, time, and lines for logs.

torch is imported inside functions, and the modules here with the first of their names, so that
commands that compute nothing start at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cmrseg.runtime.budget import Budget, PassCounts
    from cmrseg.runtime.device import Precision, autocast, use_device, usual_precision
    from cmrseg.runtime.progress import Progress
    from cmrseg.runtime.threads import SPINS, cpu_limit, share_cpus

__all__ = [
    "SPINS",
    "Budget",
    "PassCounts",
    "Precision",
    "Progress",
    "autocast",
    "cpu_limit",
    "share_cpus",
    "use_device",
    "usual_precision",
]
MODULES = ("threads", "device", "budget", "progress")


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in MODULES:
            found = import_module(f"cmrseg.runtime.{module}")
            if hasattr(found, name):
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
