"""Cardiac MR segmentation that says how far each result can be trusted.

``cmrseg.segment`` takes one patient's images, ``cmrseg.load`` loads the networks for many. Both
come with what they need when they are first used: ``import cmrseg`` loads nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cmrseg.run.python import Model, QualityFlag, Segmentation, segment
    from cmrseg.run.python import load_model as load

__version__ = "0.1.0"
__all__ = ["Model", "QualityFlag", "Segmentation", "load", "segment"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cmrseg.run import python

    return getattr(python, "load_model" if name == "load" else name)
