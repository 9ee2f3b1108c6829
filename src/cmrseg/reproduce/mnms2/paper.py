"""What galati2021 prints, and what of it compares with which of our groups."""

from __future__ import annotations

CITED = "Galati and Zuluaga, STACOM 2021, LNCS 13131"

NAMES = {
    "NOR": "Normal",
    "FALL": "Tetralogy of Fallot",
    "CIA": "Interatrial communication",
    "ARR": "Congenital arrhythmogenesis",
    "HCM": "Hypertrophic cardiomyopathy",
    "LV": "Dilated left ventricle",
    "TRI": "Tricuspid regurgitation",
    "RV": "Dilated right ventricle",
    "DCM": "Dilated left ventricle (DCM)",
    "MINF": "Infarction",
}
"""Group -> its name; ACDC's DCM and MINF are its own."""

TABLE_1: dict[str, tuple[str, str, str, str]] = {
    "NOR": ("0.902 ± 0.064", "10.89 ± 5.16", "0.918 ± 0.062", "7.05 ± 6.34"),
    "FALL": ("0.899 ± 0.065", "12.80 ± 6.22", "0.916 ± 0.038", "8.33 ± 4.67"),
    "CIA": ("0.869 ± 0.137", "12.09 ± 4.98", "0.912 ± 0.083", "8.03 ± 7.48"),
    "ARR": ("0.911 ± 0.069", "12.70 ± 10.1", "0.929 ± 0.029", "5.60 ± 1.72"),
    "HCM": ("0.908 ± 0.083", "10.67 ± 5.91", "0.916 ± 0.058", "6.30 ± 3.30"),
    "LV": ("0.897 ± 0.077", "11.99 ± 6.53", "0.906 ± 0.053", "8.13 ± 9.30"),
    "TRI": ("0.909 ± 0.051", "12.10 ± 8.08", "0.910 ± 0.041", "6.06 ± 2.98"),
    "RV": ("0.913 ± 0.045", "10.83 ± 4.82", "0.881 ± 0.062", "9.68 ± 6.58"),
}
"""Table 1: SA DC, SA HD, LA DC, LA HD of the right ventricle by pathology."""

SAME_AS = {"DCM": "LV"}
"""Groups of ours under the name that the paper has for the condition."""

AVERAGE = ("0.905", "10.47")
"""DC and HD on the challenge's test set, 0.75 SA + 0.25 LA."""
