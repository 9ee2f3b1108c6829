"""Two real processes train what one would, stop together, go on exactly, and end together."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cmrseg.models.unet import UNet
from cmrseg.runtime.errors import UsageError
from cmrseg_lab.cli import main
from cmrseg_lab.training import distributed
from cmrseg_lab.training.checkpoint import read_state
from cmrseg_lab.training.distributed import TOGETHER, EndedTogetherError, Group, together
from cmrseg_lab.training.journal import LOG
from cmrseg_lab.training.loop import CHECKPOINT
from tiny import make_cache, network_config
from tiny_together import PLAIN, without_chance

TESTS = Path(__file__).parents[2]
SLOW_MACHINE_S = 1800  # usually 20 are enough; beyond this it hangs
CPU = torch.device("cpu")


def environment(**more):
    paths = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"} | more


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """All trainings of ``tiny_together`` by two processes under torchrun, in one start."""
    out = tmp_path_factory.mktemp("two")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, str(TESTS / "tiny_together.py"), str(out)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SLOW_MACHINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (out / "stdout").write_text(done.stdout)
    return out


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The same trainings, as far as chance has no part in them, by one process."""
    out = tmp_path_factory.mktemp("one")
    without_chance(out)
    return out


def told(two, rank):
    return json.loads((two / f"rank-{rank}.json").read_text())


def looks(folder):
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


@pytest.mark.parametrize("name", PLAIN)
def test_two_processes_take_the_steps_of_one(one, two, name):
    """Weights, running statistics and momentum after two steps, of a batch shared 1 to 2."""
    alone, shared = (load_file(folder / name / CHECKPOINT) for folder in (one, two))
    assert alone.keys() == shared.keys()
    torch.manual_seed(read_state(one / name / CHECKPOINT)["config"]["seed"])
    began = UNet(network_config(PLAIN[name]["recipe"])).state_dict()
    for key, value in alone.items():
        if key.startswith("optimiser."):
            # Sums of gradients that nearly cancel, where rounding shows in single elements; wrongly
            # weighted shares would change all of them by a third and more.
            apart = torch.linalg.vector_norm((shared[key] - value).double())
            assert apart <= 5e-3 * torch.linalg.vector_norm(value.double()) + 1e-9, key
        elif not key.startswith("random."):
            torch.testing.assert_close(shared[key], value, rtol=1e-3, atol=2e-6, msg=key)
    # The tolerance means something: the steps went many times as far.
    moved = [float((alone[f"network.{k}"] - v).abs().max()) for k, v in began.items()]
    assert min(moved) > 1e-4
    for mine, theirs in zip(looks(one / name), looks(two / name), strict=True):
        assert theirs["loss"] == pytest.approx(mine["loss"], rel=1e-5)


def test_a_stopped_run_of_two_goes_on_to_the_bit(two):
    straight, stopped = (load_file(two / name / CHECKPOINT) for name in ("straight", "stopped"))
    differing = [k for k in straight if not torch.equal(straight[k], stopped[k])]
    assert [k for k in differing if not k.startswith("random.")] == []
    assert looks(two / "straight") == looks(two / "stopped")


def test_sigterm_to_one_stops_both_once_the_checkpoint_is_safe(two):
    assert told(two, 0)["stopped"] == "stopped at step 2; --resume goes on"
    assert told(two, 1)["stopped"] == "143 2"  # exit code, and the step the checkpoint tells


def test_a_batch_too_small_to_share_is_refused_by_all(two):
    for rank in (0, 1):
        assert told(two, rank)["refused"] == (
            "2 processes cannot share a batch of 1. start no more than 1."
        )
    assert not (two / "refused").exists()


def test_only_the_first_tells(two):
    lines = (two / "stdout").read_text().splitlines()
    begun = [line for line in lines if "M parameters" in line]
    assert len(begun) == len(PLAIN) + 3
    assert all("3 patches by 2 processes" in line for line in begun)
    # straight and stopped look twice each, the others once
    assert len([line for line in lines if "held-out Dice" in line]) == len(PLAIN) + 4


@pytest.mark.skipif(sys.platform != "linux", reason="tells threads as Linux does")
def test_no_thread_of_the_group_outlives_it(two):
    """One that does may abort the interpreter at its end."""
    for rank in (0, 1):
        assert [name for name in told(two, rank)["threads"] if "gloo" in name] == []


def test_dropout_differs_by_process_and_step(two):
    seeds = [seed for rank in (0, 1) for seed in told(two, rank)["masks"]]
    assert len(set(seeds)) == 4


def test_both_have_the_whole_batch_in_order(two):
    for rank in (0, 1):
        assert told(two, rank)["whole"] == [[1, 2], [3, 4], [11, 12], [13, 14]]
        # the same as two samples of one patch each: sample by sample
        assert told(two, rank)["samples"] == [[1, 2], [11, 12], [3, 4], [13, 14]]


@pytest.mark.parametrize(("batch", "size"), [(5, 2), (4, 4), (20, 3)])
def test_shares_cover_a_batch_and_differ_by_one_at_most(batch, size):
    shares = [Group(CPU, rank, size).share(batch) for rank in range(size)]
    assert [i for share in shares for i in share] == list(range(batch))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert Group(CPU, 0, size).share(batch, size - 1) == shares[-1]


def test_one_process_has_nothing_to_share():
    group, gradients = Group(CPU), torch.ones(2, 3)
    assert group.whole(gradients, 2) is gradients
    assert group.sum(gradients) is gradients
    state = torch.get_rng_state()
    group.seed(1, 2)
    assert torch.equal(torch.get_rng_state(), state)
    assert group.any(True)
    assert not group.any(False)


def as_one_of_two(rank, port=1):
    """What torchrun would tell a process."""
    return dict(zip(TOGETHER, map(str, (rank, rank, 2, 2, "127.0.0.1", port)), strict=True))


def of_two(monkeypatch):
    for name, value in as_one_of_two(0).items():
        monkeypatch.setenv(name, value)


def test_without_all_that_torchrun_tells_there_is_one_process(monkeypatch):
    of_two(monkeypatch)
    monkeypatch.delenv("MASTER_ADDR")
    with together("cpu") as group:
        assert group == Group(CPU)


def test_each_process_takes_its_own_gpu(monkeypatch):
    monkeypatch.setattr(distributed, "use_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert distributed._own_device("cuda", 1) == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="there are 2 GPUs, and this is process 3"):
        distributed._own_device("cuda", 2)


def test_one_gpu_for_all_is_refused(monkeypatch):
    of_two(monkeypatch)
    with pytest.raises(UsageError, match="each takes its own GPU"), together("cuda:0"):
        pytest.fail("began")


@pytest.mark.parametrize(
    "arguments",
    [["train", "emidec", "--data", "data"], ["train-qc", "mnms2-sa-qc", "cache", "run"]],
)
def test_what_one_process_does_is_not_done_by_two(monkeypatch, capsys, arguments):
    of_two(monkeypatch)
    assert main.main(arguments) == 2
    assert "is the work of one" in capsys.readouterr().err.splitlines()[-1]


def test_a_lost_connection_is_no_fault_of_the_others(monkeypatch, capsys):
    monkeypatch.setattr(distributed.dist, "is_initialized", lambda: True)
    with pytest.raises(EndedTogetherError) as ended, distributed.told_of_loss():
        raise RuntimeError("Connection closed by peer")
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == ""
    with pytest.raises(torch.OutOfMemoryError), distributed.told_of_loss():
        raise torch.OutOfMemoryError


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_command_fails_whole_and_the_one_at_fault_has_the_last_word(tmp_path):
    """As torchrun starts them, without its own words: process 1 cannot write its part."""
    cache = make_cache(tmp_path / "cache", "emidec")
    script = [sys.executable, str(TESTS / "tiny_training.py"), "--fail-at", "2"]
    port = free_port()
    with (tmp_path / "stderr").open("w") as stderr:
        processes = [
            subprocess.Popen(
                [*script, "emidec", str(cache), str(tmp_path / "run")],
                env=environment(**as_one_of_two(rank, port)),
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
            for rank in (0, 1)
        ]
        codes = [process.wait(timeout=SLOW_MACHINE_S) for process in processes]
    assert codes == [1, 3]
    last = (tmp_path / "stderr").read_text().splitlines()[-1]
    assert last == "cmrseg: a patient is unreadable. Ask for another one."
    assert not (tmp_path / "run" / CHECKPOINT).exists()
