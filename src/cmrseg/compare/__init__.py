"""Two bundles, or two folders of predictions, over the same cases: which is better, and where."""
