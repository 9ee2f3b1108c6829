"""From labelled data of every kind to a cache."""

import numpy as np
import pytest
import SimpleITK

from cmrseg.runtime.errors import InputError
from cmrseg_lab.synthetic.synthesize import synthesize
from cmrseg_lab.training import cache
from cmrseg_lab.training.cache import UNKNOWN
from cmrseg_lab.training.prepare import prepare_cache
from emidec_data import make_data
from tiny import heart, save, volume


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A synthetic patient in the M&Ms-2 layout."""
    folder = tmp_path_factory.mktemp("drawn")
    synthesize("mnms2", folder, patients=1, jobs=1)
    return folder


def loaded(folder, recipe):
    return {p.source: (p, cache.load_patient(folder, p)) for p in cache.read_index(folder, recipe)}


def test_long_axes_of_all_three_kinds(tmp_path, drawn):
    frames = tmp_path / "frames"
    picture = np.zeros((40, 40), np.uint8)
    for kind in ("images", "masks"):
        (frames / kind).mkdir(parents=True)
        for number, size in ((1, 10), (2, 20)):
            shown = picture.copy()
            shown[10 : 10 + size, 10:30] = 200
            path = frames / kind / f"7_{number}.png"
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(shown), path)
    rows = "".join(f"7_{n}.png,7,{n},nan\n" for n in (1, 2))
    (frames / "frames.csv").write_text("file,patient,frame,pixel_mm\n" + rows)
    out = tmp_path / "cache"
    prepare_cache("mnms2-la", {"dsb2": frames, "synthetic": drawn}, out)
    prepare_cache("mnms2-la", {"acdc-reformatted": drawn}, out)
    found = loaded(out, "mnms2-la")
    images = {source: set(patient.images) for source, (patient, _) in found.items()}
    assert images["dsb2"] == images["synthetic"] == {"ED", "ES"}
    assert images["acdc-reformatted"] == {
        f"{p}{t}" for p in ("ED", "ES") for t in ("", "-20", "+20")
    }
    frames_found = found["dsb2"][1]
    assert all(set(np.unique(s.label)) == {1, UNKNOWN} for s in frames_found.values())
    areas = {name: int((s.label == 1).sum()) for name, s in frames_found.items()}
    assert areas["ED"] > areas["ES"], "the larger of two drawn ventricles is nearer end-diastole"
    for _, samples in found.values():
        for one in samples.values():
            assert one.image.shape == one.label.shape
            assert len(one.image) == 1


def test_short_axes_and_late_enhancement_with_infarcts_put_on(tmp_path, drawn):
    prepare_cache("mnms2-sa", {"acdc": drawn}, tmp_path / "sa")
    patient, samples = loaded(tmp_path / "sa", "mnms2-sa")["acdc"]
    assert set(samples) == {"ED", "ES"}
    assert patient.vendor != "unknown"
    for one in samples.values():
        assert one.spacing_mm[1:] == (1.5, 1.5)
        assert set(np.unique(one.label)) == {0, 1, 2, 3}
    make_data(tmp_path / "data", 2)
    prepare_cache(
        "emidec", {"emidec": tmp_path / "data", "acdc-implanted": drawn}, tmp_path / "lge"
    )
    patient, samples = loaded(tmp_path / "lge", "emidec")["acdc-implanted"]
    assert set(np.unique(samples["ED"].label)) <= {0, 1, 2, 3, 4}
    assert [p.disease for p in cache.read_index(tmp_path / "lge", "emidec")][:2] == ["P", "P"]


def test_a_source_given_again_is_made_anew_and_others_stay(tmp_path):
    make_data(tmp_path / "a", 2)
    make_data(tmp_path / "b", 3)
    prepare_cache("emidec", {"a": tmp_path / "a", "b": tmp_path / "b"}, tmp_path / "cache")
    found = prepare_cache("emidec", {"a": tmp_path / "b"}, tmp_path / "cache")
    assert sorted(p.source for p in found) == ["a"] * 3 + ["b"] * 3


def test_labels_that_lie_elsewhere_and_other_recipes_caches_are_refused(tmp_path):
    image = volume(0)
    label = image.like(heart(0)[1])
    stem = tmp_path / "data" / "Case_P000"
    save(stem / "Images" / "Case_P000.nii.gz", image)
    save(stem / "Contours" / "Case_P000.nii.gz", volume(0, slices=3).like(heart(0, (3, 40, 44))[1]))
    with pytest.raises(InputError, match="other voxels"):
        prepare_cache("emidec", {"x": tmp_path / "data"}, tmp_path / "cache")
    save(stem / "Contours" / "Case_P000.nii.gz", label)
    prepare_cache("emidec", {"x": tmp_path / "data"}, tmp_path / "cache")
    with pytest.raises(InputError, match="of recipe emidec"):
        prepare_cache("mnms2-sa", {"x": tmp_path / "data"}, tmp_path / "cache")
