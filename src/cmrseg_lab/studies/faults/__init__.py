"""Mutated inputs, kills, full disks, little memory: what cmrseg makes of them, counted."""
