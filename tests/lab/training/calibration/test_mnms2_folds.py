"""Every candidate on patients it never met, by an autoencoder that never met them either."""

import json
from functools import partial

import pytest

from cmrseg.cases.case import Case, ImageSource
from cmrseg.models import bundle
from cmrseg.models.bundle import CARD, MANIFEST
from cmrseg.models.ensemble import Segmenter
from cmrseg.recipes.mnms2_volumes import bands_of
from cmrseg.run.predict import model
from cmrseg.runtime.errors import InputError, WeightsError
from cmrseg_lab.training import cache
from cmrseg_lab.training.calibration.mnms2 import calibrate
from cmrseg_lab.training.calibration.mnms2_folds import count, deal
from cmrseg_lab.training.pack import pack
from cmrseg_lab.training.train import split
from tiny import make_autoencoder, make_cache, make_checkpoint, save, volume

SA, QC = "mnms2-sa", "mnms2-sa-qc"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Real and synthetic hearts; five or so of the real ones are in each fold."""
    folder = tmp_path_factory.mktemp("cache")
    make_cache(folder, SA, patients=25)
    return make_cache(folder, SA, patients=2, source="synthetic")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Makes bundles of candidates and autoencoders given by (fold, sources) each."""
    place, number = tmp_path_factory.mktemp("made"), iter(range(99))

    def make(candidates, autoencoders, first_seed=0):
        at = place / str(next(number))
        paths = [
            make_checkpoint(at / f"s{seed}", SA, seed=seed, fold=fold, sources=sources)
            for seed, (fold, sources) in enumerate(candidates, start=first_seed)
        ]
        paths += [
            make_autoencoder(at / f"a{n}", QC, fold=fold, sources=sources)
            for n, (fold, sources) in enumerate(autoencoders)
        ]
        return pack("mnms2", paths, at / "mnms2")

    return make


def files(entries):
    return {entry.file for entry in entries}


def shown(found, entries):
    """Which candidates' seeds are judged on which images, and by which fold's autoencoder."""
    return [
        (
            [n["training"]["seed"] for n in part.candidates],
            part.autoencoder["training"]["fold"],
            files(part.entries),
        )
        for part in deal(found, SA, entries).parts
    ]


def test_candidates_of_one_fold_are_judged_together(data, made):
    entries = cache.read_index(data, SA)
    found = bundle.load(made([(2, ()), (2, ()), (0, ["synthetic"])], [(2, ())]), "mnms2")
    assert shown(found, entries) == [([0, 1, 2], 2, files(split(entries, 2)[1]))]
    own = deal(found, SA, entries)
    assert own.together
    assert own.in_words() == f"{count(own.entries)} held-out patients of hospital"


def test_candidates_of_two_folds_are_judged_each_on_its_own(data, made):
    entries = cache.read_index(data, SA)
    found = bundle.load(made([(0, ()), (3, ()), (0, ())], [(3, ()), (0, ())]), "mnms2")
    first, second = (files(split(entries, fold)[1]) for fold in (0, 3))
    assert sorted(shown(found, entries)) == [([0, 2], 0, first), ([1], 3, second)]
    own = deal(found, SA, entries)
    assert not own.together
    assert files(own.entries) == first | second
    told = own.of_each()
    assert [(t["fold"], t["patients"]) for t in told.values()] == [
        (0, len(first)), (0, len(first)), (3, len(second)),
    ]  # fmt: skip
    assert own.in_words() == (
        f"{len(first | second)} held-out patients of hospital, each candidate on those whom it "
        "held out (folds 0, 3); no intervals: nobody was held out by all candidates"
    )


def test_an_autoencoder_of_drawn_hearts_judges_all_folds(data, made):
    entries = cache.read_index(data, SA)
    found = bundle.load(made([(0, ()), (1, ())], [(0, ["synthetic"])]), "mnms2")
    assert [seen for *_, seen in sorted(shown(found, entries))] == [
        files(split(entries, fold)[1]) for fold in (0, 1)
    ]


def test_a_candidate_that_nobody_can_judge_is_refused(data, made):
    entries = cache.read_index(data, SA)
    found = bundle.load(made([(0, ()), (1, ())], [(0, ())]), "mnms2")
    with pytest.raises(InputError, match=r"mnms2-sa \(fold held out: 1\).*\(fold held out: 0\)"):
        deal(found, SA, entries)
    alone = bundle.load(made([(0, ())], []), "mnms2")
    with pytest.raises(WeightsError, match="no autoencoder of mnms2-sa"):
        deal(alone, SA, entries)
    with pytest.raises(WeightsError, match="no segmenter of mnms2-la"):
        deal(alone, "mnms2-la", entries)


def test_folds_dealt_in_another_way_are_refused(data, made):
    weights = made([(0, ())], [(0, ())])
    found = bundle.load(weights, "mnms2")
    found.networks[0]["training"]["fold_seed"] = 7
    with pytest.raises(InputError, match="dealt folds in another way"):
        deal(found, SA, cache.read_index(data, SA))


def test_a_bundle_of_two_folds_is_calibrated_and_predicts(tmp_path, data, made):
    weights = made([(0, ()), (1, ())], [(0, ()), (1, ())])
    told = calibrate(SA, data, weights, mirrors=1, device="cpu")
    entries = cache.read_index(data, SA)
    held = [split(entries, fold)[1] for fold in (0, 1)]
    measures = sum(map(len, held))  # each of one candidate
    assert f"({measures} pseudo-measures)" in told
    quality = json.loads((weights / MANIFEST).read_text(encoding="utf-8"))["quality"][SA]
    assert quality["thresholds"]["SA_ED"]["measures"] == measures
    assert [one["fold"] for one in quality["candidates"].values()] == [0, 1]
    assert quality["bands"] == {}
    assert "(folds 0, 1); no intervals" in (weights / CARD).read_text(encoding="utf-8")

    found = bundle.load(weights, "mnms2")
    assert bands_of(found.manifest) == {}
    case = Case("a", {"SA_ED": ImageSource(save(tmp_path / "a.nii.gz", volume()))}, "case 1")
    result = model("mnms2", found, device="cpu", precision="fp32", mirrors=1).segment(case)
    control = result.measures["SA_ED"]["quality"]
    assert len(control["candidates"]) == 2
    assert control["th_low"] == pytest.approx(quality["thresholds"]["SA_ED"]["th_low"], abs=1e-4)
    assert not any("interval" in key for key in result.measures["SA_ED"])


def test_what_is_fitted_is_that_of_each_fold_by_itself_put_together(data, made, monkeypatch):
    exact = partial(Segmenter.from_bundle, precision="fp32")
    monkeypatch.setattr(Segmenter, "from_bundle", exact)  # the fastest may differ from run to run
    weights = [
        made([(0, ())] * 2, [(0, ())]),
        made([(1, ())] * 2, [(1, ())], first_seed=2),
        made([*[(0, ())] * 2, *[(1, ())] * 2], [(0, ()), (1, ())]),
    ]
    seen = []
    for one in weights:
        calibrate(SA, data, one, mirrors=1, device="cpu")
        quality = bundle.load(one, "mnms2").manifest["quality"][SA]
        seen.append(quality["population"]["SA_ED"])
    for key in ("pDC", "pHD_mm"):
        assert sorted(seen[0][key] + seen[1][key]) == seen[2][key]
        assert seen[0][key] != seen[1][key]
