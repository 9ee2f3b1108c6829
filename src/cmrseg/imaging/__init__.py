"""Volumes: read, orient, resample there and back, write."""
