"""Gathering a cohort that was not computed."""

import json

from cmrseg_lab.studies import cohort


def test_every_case_is_gathered_and_none_computed(tmp_path, bundles):
    grid = cohort.study(20, tmp_path, "--weights", str(bundles), "--precision", "fp32")
    rows = {line[0]: line[1:] for line in grid.lines}
    assert float(rows["gathering 20 cases"][1]) > 50
    told = json.loads((tmp_path / "out/summary.json").read_text())["cases"]
    assert len({case["case"] for case in told}) == 20
    assert len({case["seconds"] for case in told}) == 1
