"""lint_image."""
