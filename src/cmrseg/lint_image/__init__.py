"""Checks a container image as the challenge platform would, and more, before it is uploaded."""
