import pytest

from cmrseg.cases.detect import CONTRACTS, open_contract
from cmrseg.runtime.errors import InputError, OutputError, UsageError

from .tools import save, tmpfs, tree


def emidec(tmp_path):
    save(tmp_path / "in/Case_001/Images/Case_001.nii.gz")


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_contract("emidec", tmp_path / "in", tmp_path / "out")
    assert tree(tmp_path) == []


def test_a_file_for_a_folder(tmp_path):
    save(tmp_path / "a.mha")
    with pytest.raises(InputError, match="is a file"):
        open_contract("emidec", tmp_path / "a.mha", tmp_path / "out")


def test_an_empty_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/.hidden").touch()
    with pytest.raises(InputError, match="is empty"):
        open_contract("emidec", tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("challenge", "words"),
    [
        ("emidec", ["inputs.json", "Case_*/Images", ".nrrd", "DICOM"]),
        ("mnms2", ["inputs.json", "_SA_ED", ".nrrd", "DICOM"]),
    ],
)
def test_an_unknown_layout_is_told_what_was_looked_for(tmp_path, challenge, words):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/readme.txt").touch()
    with pytest.raises(InputError) as caught:
        open_contract(challenge, tmp_path / "in", tmp_path / "out")
    assert all(word in caught.value.remedy for word in words)
    assert not (tmp_path / "out").exists()


def test_the_other_challenges_data_is_recognised(tmp_path):
    emidec(tmp_path)
    with pytest.raises(InputError, match=r"EMIDEC folders.*use the recipe emidec"):
        open_contract("mnms2", tmp_path / "in", tmp_path / "out")


def test_a_named_contract_wins_over_detection(tmp_path):
    emidec(tmp_path)
    save(tmp_path / "in/a.mha")
    detected = open_contract("emidec", tmp_path / "in", tmp_path / "out")
    named = open_contract("emidec", str(tmp_path / "in"), str(tmp_path / "out"), "folder")
    assert (detected.name, named.name) == ("emidec", "folder")
    assert [case.id for case in named.cases()] == ["a"]


def test_a_named_contract_that_does_not_fit_the_folder(tmp_path):
    emidec(tmp_path)
    with pytest.raises(InputError, match=r"inputs\.json"):
        open_contract("emidec", tmp_path / "in", tmp_path / "out", "grand-challenge")


@pytest.mark.parametrize("name", ["mnms2", "nothing"])
def test_a_name_that_is_not_the_challenges(tmp_path, name):
    emidec(tmp_path)
    with pytest.raises(UsageError, match="grand-challenge, emidec, nnunet, bids, folder"):
        open_contract("emidec", tmp_path / "in", tmp_path / "out", name)


def test_an_unknown_challenge(tmp_path):
    with pytest.raises(UsageError, match="emidec, mnms2"):
        open_contract("acdc", tmp_path, tmp_path / "out")


def test_a_socket_table_without_sockets(tmp_path):
    emidec(tmp_path)
    with pytest.raises(UsageError, match="has no sockets"):
        open_contract("emidec", tmp_path / "in", tmp_path / "out", sockets=tmp_path / "t.json")


def test_every_contract_goes_by_its_name():
    expected = ["grand-challenge", "emidec", "mnms2", "nnunet", "bids", "folder"]
    assert list(CONTRACTS) == expected


def test_results_never_go_among_the_inputs(tmp_path):
    emidec(tmp_path)
    save(tmp_path / "in/Case_001/Contours/Case_001.nii.gz")
    (tmp_path / "links").mkdir()
    (tmp_path / "links/in").symlink_to(tmp_path / "in")
    before = tree(tmp_path)
    for source, target in [("in", "in"), ("in", "links/in"), ("links", "in")]:
        with pytest.raises(UsageError, match="holds input images"):
            open_contract("emidec", tmp_path / source, tmp_path / target)
    assert tree(tmp_path) == before


def test_an_output_folder_that_is_a_file(tmp_path):
    emidec(tmp_path)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="a file stands where a folder"):
        open_contract("emidec", tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_read_only_output_is_found_before_any_case(tmp_path):
    emidec(tmp_path)
    with tmpfs(tmp_path / "out", "ro"), pytest.raises(OutputError, match="is read-only"):
        open_contract("emidec", tmp_path / "in", tmp_path / "out")


def test_a_full_output_disk_is_found_before_any_case(tmp_path):
    emidec(tmp_path)
    with tmpfs(tmp_path / "out", "size=8k"):
        (tmp_path / "out/other").write_bytes(b"x" * 8192)
        with pytest.raises(OutputError, match="disk of the output folder is full"):
            open_contract("emidec", tmp_path / "in", tmp_path / "out")
        assert tree(tmp_path / "out") == ["other"]


def test_opening_leaves_nothing_in_the_output_folder(tmp_path):
    emidec(tmp_path)
    open_contract("emidec", tmp_path / "in", tmp_path / "deep/out")
    assert list((tmp_path / "deep/out").iterdir()) == []
