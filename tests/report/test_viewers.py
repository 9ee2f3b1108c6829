"""Colour tables in 3D Slicer's own code: the names and colours that its users see.

Skipped where its libraries are not installed (``pip install slicer-core``, about 150 MB with VTK).
"""

import nibabel
import numpy as np
import pytest

from cmrseg.cases.challenge import SPECS
from cmrseg.report.legend import Label, slicer_table, written_labels
from cmrseg.report.overlay import COLOURS

slicer = pytest.importorskip(
    "slicer_core", reason="NO SLICER: its colour reader is not asked (pip install slicer-core)"
)


def opened(scene, folder, labels):
    """A label description file as Slicer's own logic loads it."""
    path = folder / "labels.ctbl"
    path.write_text(slicer_table(labels))
    logic = slicer.vtkMRMLColorLogic()
    logic.SetMRMLScene(scene)
    node = logic.LoadColorFile(str(path), "labels")
    assert node is not None
    assert node.GetStorageNode().GetUserMessages().GetNumberOfMessages() == 0
    return node


def rgb(colour):
    return tuple(round(255 * share) for share in colour[:3])


@pytest.mark.parametrize(("challenge", "name"), [(c, n) for c in SPECS for n in SPECS[c].codes])
def test_slicer_segments_bear_our_names_and_colours(challenge, name, tmp_path):
    labels = written_labels(SPECS[challenge].labels, SPECS[challenge].codes[name])
    scene = slicer.vtkMRMLScene()
    colours = opened(scene, tmp_path, labels)
    values = np.array([0, *(label.value for label in labels)], np.uint8)
    mask = np.broadcast_to(values[:, None, None], (len(values), 4, 4))
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(mask), np.eye(4)), tmp_path / "m.nii.gz")

    volume = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "mask")
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(tmp_path / "m.nii.gz"))
    assert storage.ReadData(volume)
    display = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeDisplayNode")
    display.SetAndObserveColorNodeID(colours.GetID())
    volume.SetAndObserveDisplayNodeID(display.GetID())
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "segmentation")
    assert logic.ImportLabelmapToSegmentationNode(volume, node)

    found = node.GetSegmentation()
    segments = [found.GetNthSegment(n) for n in range(found.GetNumberOfSegments())]
    assert [(s.GetLabelValue(), s.GetName(), rgb(s.GetColor())) for s in segments] == [
        (label.value, label.name, label.rgb) for label in labels
    ]


def test_slicer_takes_a_gap_for_what_it_is(tmp_path):
    label = Label(value=3, name="RV", colour=COLOURS[3])
    node = opened(slicer.vtkMRMLScene(), tmp_path, [label])
    assert [node.GetColorName(n) for n in range(4)] == ["background", "unused", "unused", "RV"]
