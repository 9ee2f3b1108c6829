"""Who is out of fold for which network."""

from cmrseg_lab.training.held_out import by_networks, digest, digests, is_held_out


def network(*patients):
    return {"training": {"trained_on": digests(("acdc", p) for p in patients)}}


def test_patients_are_scored_by_networks_that_never_saw_them():
    networks = [network("001", "002"), network("001", "003")]
    found = by_networks(networks, "acdc", ["001", "002", "003", "004"])
    assert found == {(1,): ["002"], (0,): ["003"], (0, 1): ["004"]}


def test_another_data_set_with_the_same_names_is_new_to_all():
    assert is_held_out(network("001"), "mnms1", "001")
    assert not is_held_out(network("001"), "acdc", "001")


def test_one_scan_under_two_names_is_one_patient():
    assert digest("acdc", "076") == digest("acdc", "074")
    assert not is_held_out(network("074"), "acdc", "076")
    assert "074" not in "".join(digests([("acdc", "074")]))
