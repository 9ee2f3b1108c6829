"""Speed and memory as ratios measured in one run: ``python -m cmrseg_lab.studies.bench``.

Seconds belong to one machine on one day; ratios travel. Whatever is compared is measured in
alternation, so that a machine that slows down slows both sides, and a row gives lowest, median and
highest. Measured beside another busy process the figures are worse and wider: the load average at
the start is in the report.
"""
