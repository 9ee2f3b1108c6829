"""Folds by patient, even within every group."""

from collections import Counter

from cmrseg_lab.training.folds import held_out, stratified_folds

GROUPS = {f"{n:03d}": "PPN"[n % 3] for n in range(47)}


def test_every_patient_sits_in_one_fold_and_groups_are_dealt_evenly():
    folds = stratified_folds(GROUPS, 5, seed=1)
    assert folds.keys() == GROUPS.keys()
    for group in "PN":
        counts = Counter(fold for patient, fold in folds.items() if GROUPS[patient] == group)
        assert set(counts) == set(range(5))
        assert max(counts.values()) - min(counts.values()) <= 1
    sizes = Counter(folds.values())
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_the_seed_decides_and_the_order_of_patients_does_not():
    backwards = dict(reversed(GROUPS.items()))
    assert stratified_folds(backwards, 5, 1) == stratified_folds(GROUPS, 5, 1)
    assert stratified_folds(GROUPS, 5, 2) != stratified_folds(GROUPS, 5, 1)


def test_held_out_patients_make_up_everyone_once():
    parts = [held_out(GROUPS, fold, 5, seed=1) for fold in range(5)]
    assert sorted(p for part in parts for p in part) == sorted(GROUPS)
