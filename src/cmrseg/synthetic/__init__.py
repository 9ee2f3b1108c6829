"""Labelled synthetic hearts."""
