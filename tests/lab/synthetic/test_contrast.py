from dataclasses import fields

import numpy as np
import pytest

from cmrseg_lab.synthetic.contrast import CINE, LGE, NOT_RECOVERING, draw_contrast, draw_late


def test_no_spread_leaves_tissues_as_the_table_has_them() -> None:
    drawn = draw_contrast(np.random.default_rng(1), CINE, 0.0)
    for tissue in ("blood", "myocardium", "liver", "fluid", "air"):
        assert getattr(drawn, tissue) == pytest.approx(getattr(CINE, tissue))
    assert drawn.fat < 0  # balanced SSFP: against water


def test_tissues_that_recover_are_read_early_or_late_together() -> None:
    tables = [draw_late(np.random.default_rng(seed), 0.0) for seed in range(8)]
    for table in tables:
        late = table.myocardium - LGE.myocardium
        assert table.liver - LGE.liver == pytest.approx(late)
        assert table.fluid - LGE.fluid == pytest.approx(late)
        assert table.bone == pytest.approx(LGE.bone)
    assert {np.sign(table.myocardium - LGE.myocardium) for table in tables} == {-1, 1}
    assert set(NOT_RECOVERING) < {each.name for each in fields(LGE)}


def test_blood_stands_out_from_nulled_muscle_in_every_patient() -> None:
    for seed in range(60):
        table = draw_late(np.random.default_rng(seed), 0.25)
        assert table.blood >= table.myocardium + 0.17 - 1e-9
