"""What a check says, and how many of many things."""

import json

from cmrseg_lab.lint_image.checks import Check, as_json, as_table, check_of, few


def test_faults_decide_and_only_they_need_a_remedy():
    assert check_of("a", [], "fine", "do") == Check(name="a", verdict="pass", found="fine")
    check = check_of("a", ["x", "y"], "fine", "do", "warn")
    assert (check.verdict, check.found, check.remedy) == ("warn", "x; y", "do")


def test_the_first_few_of_many():
    assert few(["a", "b", "c"]) == "a; b; c"
    assert few(list("abcde")) == "a; b; c and 2 more"


def test_table_and_json_tell_the_same():
    checks = [check_of("user", ["root"], "", "set USER"), check_of("platform", [], "linux", "")]
    assert as_table(checks).splitlines() == [
        "fail  user      root",
        "                -> set USER",
        "pass  platform  linux",
    ]
    told = json.loads(as_json("x:1", checks))
    assert told["verdict"] == "fail"
    assert told["checks"][1] == {
        "name": "platform",
        "verdict": "pass",
        "found": "linux",
        "remedy": "",
    }
    assert json.loads(as_json("x:1", checks[1:]))["verdict"] == "pass"
