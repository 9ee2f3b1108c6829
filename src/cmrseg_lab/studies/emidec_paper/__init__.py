"""emidec_paper."""
