"""Who is out of fold for which network."""

from cmrseg_lab.training.held_out import by_networks, deal, digest, digests, is_held_out

GROUPS = dict.fromkeys(("001", "002", "003", "004"), "NOR")


def network(*patients, source="acdc"):
    return {"training": {"trained_on": digests((source, p) for p in patients)}}


def older(fold, *sources):
    """An entry from before patients had digests: the split is made again."""
    training = {"fold": fold, "folds": 2, "fold_seed": 2021, "sources": list(sources)}
    return {"training": training}


def test_patients_are_scored_by_networks_that_never_saw_them():
    networks = [network("001", "002"), network("001", "003")]
    found = by_networks(networks, "acdc", GROUPS)
    assert found == {(1,): ["002"], (0,): ["003"], (0, 1): ["004"]}


def test_another_data_set_with_the_same_names_is_new_to_all():
    assert is_held_out(network("001"), "mnms1", "001", GROUPS)
    assert not is_held_out(network("001"), "acdc", "001", GROUPS)


def test_what_was_made_of_a_patients_images_is_that_patient():
    assert not is_held_out(network("001", source="acdc-reformatted"), "acdc", "001", GROUPS)
    assert not is_held_out(network("001"), "acdc-reformatted", "001", GROUPS)


def test_one_scan_under_two_names_is_one_patient():
    assert digest("acdc", "076") == digest("acdc", "074")
    assert not is_held_out(network("074"), "acdc", "076", GROUPS)
    dealt = deal({f"acdc/{n:03d}": "NOR" for n in range(70, 80)}, 3)
    assert dealt["acdc/074"] == dealt["acdc/076"]


def test_groups_are_dealt_evenly_whatever_their_order():
    groups = {str(n): "PN"[n % 2] for n in range(20)}
    dealt = deal(groups, 5)
    assert dealt == deal(dict(reversed(groups.items())), 5)
    for fold in range(5):
        held = [groups[p] for p, f in dealt.items() if f == fold]
        assert sorted(held) == ["N", "N", "P", "P"]


def test_older_networks_held_out_the_fold_that_they_say():
    dealt = deal(GROUPS, 2, seed=2021)
    for patient in GROUPS:
        assert is_held_out(older(1, "acdc"), "acdc", patient, GROUPS) == (dealt[patient] == 1)
        assert is_held_out(older(1, "acdc"), "mnms1", patient, GROUPS)
        assert not is_held_out(older(None, "acdc"), "acdc", patient, GROUPS)
        # Beside real hearts all synthetic ones are learned from.
        assert not is_held_out(older(1, "acdc", "synthetic"), "synthetic", patient, GROUPS)


def test_whom_the_network_before_fine_tuning_saw_is_not_held_out():
    tuned = network("009", source="ours")
    tuned["training"]["started_from"] = {**network("001")["training"], "fold": 0}
    found = [is_held_out(tuned, "acdc", patient, GROUPS) for patient in ("001", "002")]
    assert found == [False, True]
