"""The two recipes, each read top to bottom like its paper's method section."""
