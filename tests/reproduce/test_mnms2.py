"""From bundles and data to the page: nothing of a patient but numbers, and nothing twice."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from cmrseg import bundle, cli
from cmrseg.errors import EXIT_OK, InputError, UsageError
from cmrseg.quality.rehearsal import Rehearsal
from cmrseg.quality.thresholds import Fences, Thresholds
from cmrseg.reproduce.mnms2 import tables
from cmrseg.reproduce.mnms2.hearts import Heart, Shifts, all_hearts
from cmrseg.reproduce.mnms2.measure import Bench, Effort, Measured, spread_out
from cmrseg.reproduce.mnms2.panels import extremes
from cmrseg.reproduce.mnms2.rules import RULES
from cmrseg.reproduce.mnms2.tables import Results
from cmrseg.training.datasets import mnms2
from cmrseg.training.folds import held_out
from cmrseg.training.pack import pack, record_quality
from tiny import make_autoencoder, make_checkpoint, sample, save, save_patients, volume

# The autoencoder is not trained: whatever it says of a mask is out of range.
NEVER = Thresholds({f"SA_{p}": Fences(th_low=0.99, th_up_mm=1.0, measures=9) for p in ("ED", "ES")})
SHIFTED = ("low-field", "resolution", "contrast")
ALONE = Shifts(styles=(), hearts=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight patients with both phases of the short axis."""
    return save_patients(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Two short-axis candidates with quality control, and one long-axis network without."""
    runs = tmp_path_factory.mktemp("runs")
    paths = [make_checkpoint(runs / str(seed), "mnms2-sa", seed=seed) for seed in (3, 4)]
    paths += [
        make_checkpoint(runs / "la", "mnms2-la", sources=["hospital-reformatted"]),
        make_autoencoder(runs / "qc", "mnms2-sa-qc"),
    ]
    out = pack("mnms2", paths, runs / "mnms2")
    one = sample(1)
    known = Rehearsal(one.image[:, 4:36, 4:36], one.label[:, 4:36, 4:36])
    record_quality(out, "mnms2-sa", NEVER, known, "nobody")
    return out


def held(folder):
    groups = {item.patient: item.group for item in mnms2(folder, "SA")}
    return held_out(groups, 0, 5, 2021)


def test_the_command_writes_a_page_and_goes_on_where_it_stopped(
    tmp_path, folder, weights, monkeypatch, capsys
):
    out = tmp_path / "results"
    scores = tmp_path / "autoencoder.json"
    scores.write_text(
        json.dumps(
            {"recipe": "mnms2-sa-qc", "stacks": 1, "sources": [], "steps": 1, "true_masks": {},
             "wrong_masks": {}}
        )
    )  # fmt: skip
    command = ["reproduce", "mnms2", str(folder), str(out), "--source", "hospital"]
    command += ["--segmenter", f"BN1={weights}", "--shift", "low-field", "--hearts", "0"]
    command += ["--refine-images", "1", "--refine-budget", "5", "--scores", f"SA={scores}"]
    command += ["--device", "cpu", "--precision", "fp32", "--commit", "abc"]
    assert cli.main(command) == EXIT_OK
    page = (out / "README.md").read_text(encoding="utf-8")
    digest = bundle.find("mnms2", weights).digest[:12]
    assert page.count(f"bundles: BN1 {digest}; code abc; `cmrseg reproduce mnms2") == 11
    assert str(tmp_path) not in page
    for name in ("ablation", "distributions-0", "panels"):
        assert (out / f"{name}.png").stat().st_size > 1000
    rules = list(csv.DictReader((out / "rules.csv").open(encoding="utf-8")))
    assert len(rules) == 2 * 2 * 3 * len(RULES)
    assert {row["patients"] for row in rules} == {str(len(held(folder)))}
    rows = list(csv.DictReader((out / "images.csv").open(encoding="utf-8")))
    # Two views and phases, as they are and in one style.
    assert len(rows) == len(held(folder)) * 2 * 2 * 2
    assert {row["hearts"] for row in rows} == {"clean", "low-field"}
    assert not {row["patient"] for row in rows} & held(folder)
    refined = [row for row in rows if row["refinement kept"]]
    assert len(refined) == 2  # one of each cohort, and the long axis has no quality control
    assert {row["role"][:2] for row in refined} == {"SA"}
    monkeypatch.setattr(Bench, "_computed", lambda *_: pytest.fail("computed twice"))
    assert cli.main(command) == EXIT_OK
    assert (out / "README.md").read_text(encoding="utf-8") == page
    assert (out / "work" / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_pools_tell_trios_and_kinds_and_nothing_else(tmp_path, folder, weights):
    """The shipped bundle judges them: they need no quality control, and may be of several folds."""
    paths = [make_checkpoint(tmp_path / str(n), "mnms2-sa", seed=n) for n in (3, 4, 5, 6)]
    folds = [make_checkpoint(tmp_path / f"f{n}", "mnms2-sa", fold=n) for n in range(3)]
    pools = {
        "four": pack("mnms2", paths, tmp_path / "four"),
        "three": pack("mnms2", paths[:3], tmp_path / "three"),
        "folds": pack("mnms2", folds, tmp_path / "folds"),
    }
    out = tmp_path / "results"
    command = ["reproduce", "mnms2", str(folder), str(out), "--source", "hospital", "--hearts", "0"]
    command += ["--shift", "contrast", "--segmenter", f"BN1={weights}"]
    command += [word for name, place in pools.items() for word in ("--pool", f"{name}={place}")]
    command += ["--refine-budget", "0", "--device", "cpu", "--precision", "fp32", "--commit", "abc"]
    assert cli.main(command) == EXIT_OK
    trios = list(csv.DictReader((out / "trios-SA.csv").open(encoding="utf-8")))
    assert {row["pool"] for row in trios} == {"four"}
    told = {"1 2 (shipped)", "1 2 3", "1 2 4", "1 3 4", "2 3 4"}
    assert {row["candidates"] for row in trios} == told
    kinds = list(csv.DictReader((out / "kinds-SA.csv").open(encoding="utf-8")))
    told = {("three", "real"), ("three", "real, shifted")}  # and no patient for the folds
    assert {(row["bundle"], row["hearts"]) for row in kinds} == told
    page = (out / "README.md").read_text(encoding="utf-8")
    assert f"four {bundle.find('mnms2', pools['four']).digest[:12]}" in page
    assert "--pool four=four" in page
    told = (out / "ablation.csv").read_text(encoding="utf-8")
    told += (out / "images.csv").read_text(encoding="utf-8")
    assert "BN1" in told
    assert "four" not in told


def test_patients_that_any_network_learned_from_are_left_out(tmp_path, folder, weights):
    found = bundle.find("mnms2", weights)
    hearts = all_hearts(folder, "hospital", [found], ALONE, tmp_path)
    assert len({one.patient for one in hearts}) == len(held(folder))
    everyone = all_hearts(folder, "elsewhere", [found], ALONE, tmp_path)
    assert len({one.patient for one in everyone}) == 8
    whole = pack("mnms2", [make_checkpoint(tmp_path / "r", "mnms2-la", fold=None,
                 sources=["hospital-reformatted"])], tmp_path / "whole")  # fmt: skip
    with pytest.raises(InputError, match="unseen"):
        all_hearts(folder, "hospital", [found, bundle.find("mnms2", whole)], ALONE, tmp_path)


def test_shifts_change_images_alone_and_alike_in_both_phases(tmp_path, folder, weights):
    found = bundle.find("mnms2", weights)
    hearts = all_hearts(folder, "hospital", [found], replace(ALONE, styles=SHIFTED), tmp_path)
    clean, *all_styled = (
        next(h for h in hearts if h.cohort == cohort and h.role == "LA_ES").make()
        for cohort in ("clean", *SHIFTED)
    )
    for styled in all_styled:
        assert clean[0].array.shape == styled[0].array.shape == (1, 224, 224)
        assert (clean[1].array == styled[1].array).all()
        assert (clean[0].array != styled[0].array)[clean[0].array > 0].mean() > 0.5
    with pytest.raises(UsageError, match="no style"):
        Shifts(styles=("sepia",))


def measured(cohort, patient, candidates, *, role="SA_ED", qc=None, full=None, group="NOR"):
    """A heart with given RV Dice; HD is 10 mm less per Dice."""

    def row(dice):
        return {"rv_dice": dice, "rv_hd_mm": 20 - 10 * dice}

    one = Heart(
        cohort=cohort,
        case=f"{patient}-{role}",
        patient=f"patient {patient}",
        role=role,
        group=group,
        real=True,
        make=lambda: pytest.fail("not asked for"),
    )
    return Measured(
        heart=one,
        candidates=[row(dice) for dice in candidates],
        pseudo=[(0.9, 5.0)] * len(candidates) if qc is not None else [],
        pseudo_after=[(0.9, 5.0)] * len(candidates) if qc is not None else [],
        qc=row(candidates[0] if qc is None else qc),
        full=row(candidates[0] if full is None else full),
        rules={},
        fences=(0.8, 10.0),
        ood=full != qc,
        refinement=None,
        masks=None,
        refined_masks=None,
    )


def test_m_is_chosen_by_the_other_patients():
    # The second candidate is the best on 1 and 2, the first on 3 by so much that it wins over all.
    results = Results(
        "BN1",
        "",
        [
            measured("clean", 1, [0.6, 0.7]),
            measured("clean", 2, [0.6, 0.7]),
            measured("clean", 3, [0.9, 0.3]),
            measured("low-field", 3, [0.1, 0.2]),
        ],
    )
    assert [results.m(one) for one in results.measured] == [0, 0, 1, 1]
    assert results.row(results.measured[2], "M")["rv_dice"] == 0.3
    assert results.row(results.measured[0], "full") is None


def test_steps_are_paired_by_patient():
    results = Results(
        "BN1",
        "",
        [
            measured("clean", n, [0.5], role=role, qc=0.6, full=full)
            for n in range(4)
            for role, full in (("SA_ED", 0.6), ("SA_ES", 0.8))
        ],
    )
    grid = tables.steps([results])
    assert [line[3:5] for line in grid.lines] == [["4", "{M}+QC - M"], ["4", "full - {M}+QC"]]
    assert grid.lines[0][5].startswith("+0.100 (+0.100 to +0.100)")
    assert grid.lines[1][6].startswith("-1.00 (-1.00 to -1.00)")
    ablation = tables.ablation([results]).lines[0]
    assert ablation[:7] == ["BN1", "SA", "clean", "8", "4", "0", "0"]
    assert ablation[7:10] == ["0.500 ± 0.000", "0.600 ± 0.000", "0.700 ± 0.100"]


def test_table_1_by_hand():
    results = Results(
        "BN1",
        "",
        [
            measured("clean", 1, [0.8], role="SA_ED", qc=0.8, full=0.8),
            measured("clean", 1, [0.9], role="LA_ED", qc=0.9, full=0.9),
            measured("clean", 2, [0.6], role="SA_ED", qc=0.6, full=0.6, group="MINF"),
        ],
    )
    infarct, normal, whole = tables.table_1(results, "full").lines
    assert normal[:5] == ["Normal (held-out patients)", "1", "0.800 ± 0.000", "0.900 ± 0.000",
                          "0.825"]  # fmt: skip
    assert normal[-4] == "0.902 ± 0.064"
    assert infarct[2:5] == ["0.600 ± 0.000", "-", "-"]
    assert infarct[-4:] == ["-"] * 4
    assert whole[1:3] == ["2", "0.700 ± 0.100"]


def test_refinement_is_spread_over_a_cohort():
    hearts = [measured("clean", n, [0.5]).heart for n in range(10)]
    chosen = spread_out(hearts, 4)
    assert [one.patient for one in chosen] == ["patient 0", "patient 2", "patient 5", "patient 7"]
    assert spread_out(hearts[:2], 4) == hearts[:2]
    assert spread_out(hearts, 0) == []


def test_drawn_hearts_are_drawn_once(tmp_path, folder, weights, monkeypatch):
    drawn = []

    def synthesize(challenge, out, **how):
        drawn.append(how)
        for role in ("SA_ED", "LA_ED"):
            save(out / "dataset" / "001" / f"001_{role}.nii.gz", volume())
            save(out / "dataset" / "001" / f"001_{role}_gt.nii.gz", volume())

    monkeypatch.setattr("cmrseg.reproduce.mnms2.hearts.synthesize", synthesize)
    found, shifts = bundle.find("mnms2", weights), replace(ALONE, hearts=1)
    for _ in range(2):
        hearts = all_hearts(folder, "hospital", [found], shifts, tmp_path)
    assert [how["style"] for how in drawn] == ["in", "out", "in"]
    names = ["drawn: in", "drawn: out", f"drawn: {shifts.artefacts}"]
    assert [h.cohort for h in hearts if not h.real] == [n for n in names for _ in range(2)]
    assert np.isfinite(hearts[-1].make()[0].array).all()


def test_effort_of_other_kind_is_computed_anew(tmp_path, weights):
    found, one = bundle.find("mnms2", weights), measured("clean", 1, [0.5]).heart
    bench = Bench(
        name="a", found=found, effort=Effort(device="cpu"), work=tmp_path, say=lambda _: None
    )
    again = replace(bench.effort, mirrors=2)
    other = Bench(name="a", found=found, effort=again, work=tmp_path, say=lambda _: None)
    assert bench._path(one, refine=False) != other._path(one, refine=False)
    longer = replace(bench.effort, refine_s=99.0)
    third = Bench(name="b", found=found, effort=longer, work=tmp_path, say=lambda _: None)
    assert bench._path(one, refine=False) == third._path(one, refine=False)
    assert bench._path(one, refine=True) != third._path(one, refine=True)


def test_a_loss_is_never_called_a_gain():
    assert extremes({1: -0.1, 2: -0.2}) == {"lost most": 2}
    assert extremes({1: 0.1, 2: 0.2, 3: -0.1}) == {"gained most": 2, "lost most": 3}
    assert extremes({1: 0.0}) == {"unchanged": 1}
