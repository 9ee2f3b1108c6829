import os
import signal
import threading
import time

import pytest

from cmrseg.runtime.budget import time_limit
from cmrseg.runtime.errors import InputError


def test_what_hangs_is_ended(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    started = time.perf_counter()
    with pytest.raises(InputError, match="--case-timeout"), time_limit(0.2):
        (tmp_path / "pipe").open("rb")
    assert time.perf_counter() - started < 60


def test_what_ends_in_time_is_left_alone():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(30):
        pass
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) == before


def test_no_limit():
    with time_limit(None):
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_no_limit_where_no_signal_comes():
    found = []

    def work():
        with time_limit(0.01):
            time.sleep(0.05)
            found.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [True]
