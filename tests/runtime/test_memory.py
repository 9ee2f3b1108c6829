"""Memory left, by the machine, control groups and RLIMIT_DATA; nothing is tried that cannot fit."""

import ctypes
import resource
import subprocess
import sys

import pytest

from cmrseg.runtime import memory
from cmrseg.runtime.memory import memory_left

MIB = 2**20


@pytest.fixture
def left(tmp_path, monkeypatch):
    """Bytes left given files of cgroup and /proc, and limits as ``ulimit`` sets them."""

    def found(cgroup=None, groups="", status="", limits=None, kept=0):
        files = {f"cgroup/{k}": v for k, v in (cgroup or {}).items()}
        files |= {"own": groups, "proc/self/status": status}
        files |= {"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {8000 * 1024} kB\n"}
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(text))
        monkeypatch.setattr(
            resource, "getrlimit", lambda which: ((limits or {}).get(which, -1), -1)
        )
        monkeypatch.setattr(memory, "freed_and_kept", lambda: kept)
        return memory_left(tmp_path / "cgroup", tmp_path / "own", tmp_path / "proc") / MIB

    return found


def v2(limit, used, droppable=0, folder=""):
    return {
        f"{folder}memory.max": limit,
        f"{folder}memory.current": used * MIB,
        f"{folder}memory.stat": f"anon 7\ninactive_file {droppable * MIB}\n",
    }


def v1(limit, used, droppable=0, folder=""):
    return {
        f"memory/{folder}memory.limit_in_bytes": limit,
        f"memory/{folder}memory.usage_in_bytes": used * MIB,
        f"memory/{folder}memory.stat": f"cache 7\ntotal_inactive_file {droppable * MIB}\n",
    }


def test_the_machine_bounds_what_nothing_else_does(left):
    assert left() == 8000
    assert left(v2("max", 100)) == 8000
    assert left(v1(9223372036854771712, 100)) == 8000


@pytest.mark.parametrize("version", [v1, v2])
def test_a_container_has_its_limit_less_what_is_used(left, version):
    assert left(version(4096 * MIB, 1000)) == 3096
    assert left(version(4096 * MIB, 1000, droppable=300)) == 3396
    assert left(version(4096 * MIB, 5000)) == 0
    assert left(version(4096 * MIB, 1000), kept=200 * MIB) == 3296


def test_the_tightest_group_on_the_way_down_binds(left):
    inner, outer = v2(900 * MIB, 100, folder="a/b/"), v2(700 * MIB, 200, folder="a/")
    assert left(inner | outer, "0::/a/b\n") == 500
    inner = v1(900 * MIB, 500, folder="job/")
    assert left(inner, "9:name=systemd:/\n4:memory:/job\n") == 400


def test_address_space_limits_bind_too(left):
    status = f"Name: python\nVmSize: {3000 * 1024} kB\nVmData: {1000 * 1024} kB\n"
    assert left(status=status, limits={resource.RLIMIT_DATA: 1500 * MIB}) == 500 - 64
    assert left(status=status, limits={resource.RLIMIT_AS: 3200 * MIB}) == 200 - 64
    assert left(status=status, kept=5 * MIB, limits={resource.RLIMIT_DATA: 900 * MIB}) == 5


def test_a_real_rlimit_is_seen_and_freed_heap_counts_as_left():
    """In a process of its own: half of what was allocated under a limit is given back and left."""
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("no glibc 2.33")
    code = (
        "import ctypes, resource\n"
        "from cmrseg.runtime.memory import memory_left, freed_and_kept\n"
        "libc = ctypes.CDLL('libc.so.6')\n"
        "libc.mallopt(-3, 1 << 30); libc.mallopt(-1, (1 << 31) - 1)\n"
        "libc.malloc.restype = ctypes.c_void_p; libc.free.argtypes = [ctypes.c_void_p]\n"
        "MIB = 1 << 20\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (600 * MIB, -1))\n"
        "before = memory_left()\n"
        "blocks = [libc.malloc(100 * MIB) for _ in range(3)]\n"
        "held = memory_left()\n"
        "libc.free(blocks[1])\n"
        "print(before // MIB, held // MIB, memory_left() // MIB, freed_and_kept() // MIB)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, held, again, kept = map(int, done.stdout.split())
    assert 400 < before < 600 - 64
    assert before - held == pytest.approx(300, abs=5)
    assert again - held == pytest.approx(100, abs=5)
    assert kept >= 100


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("the sizes do not match"), False),
        (ValueError("bad_alloc"), False),
    ],
)
def test_lack_of_memory_is_known_by_class_or_words(error, expected):
    assert memory.ran_out(error) == expected
