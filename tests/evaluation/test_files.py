import pytest

from cmrseg.evaluation.files import write_files
from cmrseg.runtime.errors import OutputError


def test_files_are_written_whole_and_replaced(tmp_path):
    path = tmp_path / "deep" / "a.md"
    for text in ("är", "new"):
        write_files({path: text, tmp_path / "b.csv": "1\n"})
        assert path.read_text(encoding="utf-8") == text
    assert [p.name for p in path.parent.iterdir()] == ["a.md"]


def test_what_cannot_be_written_is_named_and_the_old_file_stays(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"a\.md cannot be written"):
        write_files({tmp_path / "file" / "a.md": "x"})
    (tmp_path / ".b.md.part").mkdir()
    (tmp_path / "b.md").write_text("old")
    with pytest.raises(OutputError, match=r"b\.md cannot be written"):
        write_files({tmp_path / "b.md": "x"})
    assert (tmp_path / "b.md").read_text() == "old"
