"""The commands: their options, and what is called with them. No logic."""
