from __future__ import annotations

from cmrseg.runtime.budget import Deadline


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_only_what_fits_is_begun():
    clock = Clock()
    deadline = Deadline(10, clock)
    assert deadline.fits(step=8)  # 8 * 1.2 < 10
    assert not deadline.fits(step=9)
    assert not deadline.fits(step=8, look=1)
    for seconds in (2.0, 1.0):
        with deadline.timing("step"):
            clock.now += seconds
    assert deadline.left_s == 7
    assert deadline.spent_s == 3
    assert deadline.fits(step=100)  # known by now: 2 s, the longest
    clock.now += 5
    assert not deadline.fits(step=0)


def test_what_is_known_can_be_passed_on():
    clock, known = Clock(), {"look": 4.0}
    assert not Deadline(4, clock, known).fits(look=0)
    with Deadline(4, clock, known).timing("check"):
        clock.now += 3
    assert known == {"look": 4.0, "check": 3.0}
