"""The official metrics of both challenges, calibration, and tables."""
