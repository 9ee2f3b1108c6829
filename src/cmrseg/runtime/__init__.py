"""The machine: threads, device, precision, memory, time, and lines for logs.

torch is imported inside functions, so that commands that compute nothing start at once.
"""

from cmrseg.runtime.budget import Budget, Effort
from cmrseg.runtime.device import Precision, autocast, fastest_precision, use_device
from cmrseg.runtime.progress import Progress
from cmrseg.runtime.threads import SPINS, cpu_limit, share_cpus

__all__ = [
    "SPINS",
    "Budget",
    "Effort",
    "Precision",
    "Progress",
    "autocast",
    "cpu_limit",
    "fastest_precision",
    "share_cpus",
    "use_device",
]
