"""Layers only: no file, no configuration source."""
