from cmrseg.synthetic.distances import far_apart, table


def test_table_of_known_distributions() -> None:
    real = [{"a": value} for value in (1.0, 2.0, 3.0)]
    fake = [{"a": value} for value in (2.0, 3.0, 4.0)]
    row = table(real, fake)[2]
    # all moved by 1, real deviation 0.816
    assert row == "| a | 2 ± 0.82 (1 to 3) | 3 ± 0.82 (2 to 4) | 1.22 |"


def test_what_is_far_off_is_told_with_a_reason() -> None:
    lines = ["## Cine", "", "| measure | real | synthetic | W |", "|---|---|---|---|",
             "| LV [mL] | 1 | 1 | 0.80 |", "| slices | 1 | 3 | 0.81 |", "| LV grey | 1 | 1 | - |",
             "| RV solidity, base | 1 | 2 | 1.50 |"]  # fmt: skip
    told = [line for line in far_apart(lines) if line.startswith("- ")]
    assert [line.split(" (")[0] for line in told] == ["- Cine, slices", "- Cine, RV solidity, base"]
    assert all(not line.endswith(": not known.") for line in told)
