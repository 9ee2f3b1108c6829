"""The table of images given as what they are not, by experts' masks and by tiny networks."""

from cmrseg.models import bundle
from cmrseg_lab.studies import other_kind
from emidec_data import make_bundle, make_data


def test_right_and_wrong_images_are_counted(tmp_path, monkeypatch, capsys):
    data = make_data(tmp_path / "data", 4)
    weights = bundle.load(make_bundle(tmp_path / "weights", 4, [0]), "emidec")
    monkeypatch.setattr(bundle, "find", lambda challenge, folder: weights)
    monkeypatch.setattr(other_kind, "WAYS", [way for way in other_kind.WAYS if way.given == "LGE"])
    out = tmp_path / "page.md"
    words = ["--late", f"emidec={data}", "--networks", "1", "--out", str(out)]
    assert other_kind.main(words) == 0
    rows = [line.split(" | ") for line in out.read_text().splitlines() if "(emidec)" in line]
    assert len(rows) == 4  # as they are, with both masks, and cut two ways
    assert all(row[3] == "2" for row in rows)  # every other patient
    assert sum("wrong" in row[1] for row in rows) == 2
    assert out.read_text() in capsys.readouterr().out
