"""Names and colours of labels, for the programs in which people open masks.

Both programs load such a file beside any mask: 3D Slicer as a colour table (``.ctbl``; drag it in,
or choose it when the mask is loaded as a segmentation), ITK-SNAP by *Segmentation > Import Label
Descriptions* or ``itksnap -g IMAGE -s MASK -l labels-itksnap.txt``.

Both were opened with masks of either challenge in ITK-SNAP 3.6.0 (the program itself) and in the
libraries of 3D Slicer 5.13, whose colour reader and segmentation import the tests call where the
package ``slicer-core`` is installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cmrseg.report.overlay import COLOURS

SLICER, ITK_SNAP = "labels.ctbl", "labels-itksnap.txt"
"""What the two files are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One value in a mask.

    Attributes:
        value: as it stands in the file.
        name: of the structure.
        colour: ``#rrggbb``.
    """

    value: int
    name: str
    colour: str

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        red, green, blue = bytes.fromhex(self.colour.removeprefix("#"))
        return red, green, blue


def written_labels(names: dict[int, str], written: Sequence[int]) -> list[Label]:
    """The labels that a mask may hold, by value.

    A structure keeps its colour whatever value it is written as.

    Args:
        names: the recipe's label -> structure.
        written: the value written for each of the recipe's labels 0, 1, 2, ...; 0 for none.
    """
    found = [
        Label(value=written[label], name=name, colour=COLOURS[label])
        for label, name in names.items()
        if written[label]
    ]
    return sorted(found, key=lambda label: label.value)


def slicer_table(labels: Sequence[Label]) -> str:
    """A colour table of 3D Slicer: ``value name red green blue alpha`` a line, 0 to 255.

    Values between the labels are listed too, as Slicer takes a table's lines by their number;
    names hold no blanks, which Slicer writes as underscores.
    """
    by_value = {label.value: label for label in labels}
    lines = [f"# Color table file {SLICER}", f"# {max(by_value, default=0) + 1} values"]
    for value in range(max(by_value, default=0) + 1):
        label = by_value.get(value)
        if label:
            told = (label.name.replace(" ", "_"), *label.rgb, 255)
        else:
            told = ("unused" if value else "background", 0, 0, 0, 0)
        lines.append(" ".join(map(str, (value, *told))))
    return "\n".join(lines) + "\n"


def itk_snap_table(labels: Sequence[Label]) -> str:
    """A label description file of ITK-SNAP.

    A line is index, red, green, blue (0 to 255), opacity (0 to 1), whether it is shown in slices
    and as a surface, and the name in quotes.
    """
    rows = [(0, (0, 0, 0), "0  0  0", "Clear Label")]
    rows += [(label.value, label.rgb, "1  1  1", label.name) for label in labels]
    head = (
        "################################################\n"
        "# ITK-SnAP Label Description File\n"
        "# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL\n"
        "################################################\n"
    )
    lines = [
        f'{index:5d} {red:5d} {green:4d} {blue:4d} {shown:>14}    "{name}"\n'
        for index, (red, green, blue), shown, name in rows
    ]
    return head + "".join(lines)
