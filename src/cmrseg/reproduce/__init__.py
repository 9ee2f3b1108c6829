"""The papers' tables and figures, made anew by one command from a bundle and labelled data."""
