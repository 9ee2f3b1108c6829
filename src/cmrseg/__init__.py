"""Cardiac MR segmentation that says how far each result can be trusted."""

__version__ = "0.1.0"
