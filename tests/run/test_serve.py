"""The invoke API, asked over HTTP of a real process, as the platform does."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from cmrseg.cli import main
from cmrseg.imaging import read
from cmrseg.quality.selection import TIE
from cmrseg.run import serve as serve_module
from tiny import save, volume

SLUG = "delayed-enhancement-mri"
WRITTEN = [
    "images/delayed-enhancement-segmentation/output.mha",
    "images/delayed-enhancement-uncertainty/output.mha",
    "results.json",
]
# In a process of its own: the recipe says that it began, and waits some seconds a case.
SLOW = """
import os, sys, time
import cmrseg.recipes.emidec as e
seconds = [float(s) for s in os.environ["SECONDS"].split()]
def slow(self, case, segment=e.Emidec.segment):
    print("computing", flush=True)
    time.sleep(seconds.pop(0))
    return segment(self, case)
e.Emidec.segment = slow
from cmrseg.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


class Served:
    """A server process, its log lines, and a platform's way of asking."""

    def __init__(self, process, folder):
        self.process, self.folder = process, folder
        self.lines = []
        threading.Thread(target=self._listen, daemon=True).start()
        (told,) = re.findall(r"serving emidec on port (\d+)", self.wait_for("serving"))
        self.port = int(told)

    def _listen(self):
        for line in self.process.stdout:
            self.lines.append(line.decode())

    def wait_for(self, word, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in list(self.lines):
                if word in line:
                    return line
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        pytest.fail(f"no {word!r} in {self.lines}")

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def invoke(self, case):
        """Point the input at a case, wipe the output, ask."""
        link = self.folder / "input"
        link.unlink(missing_ok=True)
        link.symlink_to(case)
        out = self.folder / "output"
        for path in out.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return self.ask("POST", "/invoke")

    def output(self):
        out = self.folder / "output"
        return sorted(str(p.relative_to(out)) for p in out.rglob("*") if not p.is_dir())

    def end(self, number=signal.SIGTERM):
        """Exit code, seconds it took, and what stderr said."""
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(30)
        return code, time.monotonic() - started, self.process.stderr.read().decode()


@contextmanager
def started(bundles, folder, *, slow_s=""):
    (folder / "output").mkdir(exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    program = ["-c", SLOW] if slow_s else ["-m", "cmrseg.cli.main"]
    command = [sys.executable, *program, "serve", "emidec", "--host", "127.0.0.1", "--port", "0"]
    command += ["--input", f"{folder}/input", "--output", f"{folder}/output"]
    command += ["--weights", str(bundles), "--device", "cpu"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(folder / "tmp"), "SECONDS": slow_s},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Served(process, folder)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def socket_case(folder, seed, slices=4):
    image = volume(seed, slices)
    save(folder / "images" / SLUG / f"{seed}.mha", image)
    (folder / "inputs.json").write_text(json.dumps([{"socket": {"slug": SLUG}}]))
    return image


@pytest.fixture(scope="module")
def served(bundles, tmp_path_factory):
    with started(bundles, tmp_path_factory.mktemp("served")) as server:
        yield server


def test_health_is_quick_and_plain(served):
    assert served.ask("GET", "/health") == (200, "ready\n")


def test_each_invocation_segments_what_the_link_points_to_now(served, tmp_path):
    for seed, slices in ((1, 4), (2, 6)):
        image = socket_case(tmp_path / str(seed), seed, slices)
        assert served.invoke(tmp_path / str(seed)) == (201, "written\n")
        assert served.output() == WRITTEN
        mask = read(served.folder / "output" / WRITTEN[0])
        assert mask.geometry.same_as(image.geometry)
        assert mask.array.dtype == "uint8"


def test_a_failure_says_why_and_the_next_case_is_served(served, tmp_path):
    (tmp_path / "empty").mkdir()
    status, line = served.invoke(tmp_path / "empty")
    assert (status, served.output()) == (400, [])
    assert line == "the input folder is empty. put cases there, or check the mount.\n"
    socket_case(tmp_path / "bad", 1)
    (tmp_path / "bad/images" / SLUG / "1.mha").write_bytes(b"no image")
    status, line = served.invoke(tmp_path / "bad")
    assert (status, served.output()) == (400, [])
    assert line.startswith("the case: LGE: ")
    assert line.count("\n") == 1
    socket_case(tmp_path / "good", 1)
    assert served.invoke(tmp_path / "good")[0] == 201


def test_an_output_that_cannot_be_written_is_the_servers_fault(served, tmp_path):
    socket_case(tmp_path / "case", 1)
    out = served.folder / "output"
    shutil.rmtree(out)
    out.write_text("in the way")
    try:
        status, line = served.ask("POST", "/invoke")
    finally:
        out.unlink()
        out.mkdir()
    assert status == 500
    assert "a file stands where a folder has to be" in line


def test_anything_else_is_refused(served):
    assert served.ask("GET", "/")[0] == 404
    assert served.ask("GET", "/invoke")[0] == 405
    assert served.ask("POST", "/health")[0] == 405


def test_a_body_is_read_and_ignored(served, tmp_path):
    socket_case(tmp_path / "case", 1)
    served.invoke(tmp_path / "case")
    assert served.ask("POST", "/invoke", b"x" * 3_000_000) == (201, "written\n")


def test_what_is_no_http_costs_one_log_line(served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
        raw.sendall(b"\x00\xff not http\r\n\r\n")
        raw.recv(1000)
    assert served.wait_for("server:") == "warning: server: Invalid HTTP request received.\n"
    assert served.ask("GET", "/health")[0] == 200


def test_the_models_are_loaded_once(served):
    assert sum("serving" in line for line in served.lines) == 1


def test_a_second_invocation_waits_and_health_answers_meanwhile(bundles, tmp_path):
    socket_case(tmp_path / "case", 1)
    (tmp_path / "input").symlink_to(tmp_path / "case")
    with started(bundles, tmp_path, slow_s="3 0") as server:
        answers = []

        def ask():
            answers.append((*server.ask("POST", "/invoke"), len(computing()), time.monotonic()))

        def computing():
            return [line for line in server.lines if line == "computing\n"]

        threads = [threading.Thread(target=ask) for _ in range(2)]
        threads[0].start()
        server.wait_for("computing")
        threads[1].start()
        assert server.ask("GET", "/health")[0] == 200  # before the case that it computes is done
        time.sleep(0.5)
        assert (answers, len(computing())) == ([], 1)
        for thread in threads:
            thread.join()
        assert [answer[:2] for answer in answers] == [(201, "written\n")] * 2
        assert len(computing()) == 2


def test_sigterm_in_the_middle_of_a_case(bundles, tmp_path):
    """Both who wait are told, nothing is left anywhere, and the last line is the reason."""
    socket_case(tmp_path / "case", 1)
    (tmp_path / "input").symlink_to(tmp_path / "case")
    with started(bundles, tmp_path, slow_s="60") as server:
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(server.ask("POST", "/invoke")))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        server.wait_for("computing")
        time.sleep(0.3)
        code, seconds, errors = server.end()
        for thread in threads:
            thread.join()
        assert code == 143
        assert seconds < 5
        assert errors == "cmrseg: terminated. Nothing half-written was left.\n"
        assert answers == [(503, "the server was ended before the case was done\n")] * 2
        assert server.output() == []
        assert list((tmp_path / "tmp").iterdir()) == []


def test_sigterm_in_peace(bundles, tmp_path):
    with started(bundles, tmp_path) as server:
        code, seconds, errors = server.end()
    assert (code, errors.count("\n")) == (143, 1)
    assert seconds < 5


def told_in_one_line(capsys):
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_port_in_use_is_told_before_models_are_loaded(bundles, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = ["serve", "emidec", "--host", "127.0.0.1", "--port", port]
        assert main.main([*command, "--weights", str(bundles)]) == 2
    assert f"port {port} of 127.0.0.1 cannot be used" in told_in_one_line(capsys)
    assert main.main(["serve", "emidec", "--port", "70000"]) == 2
    assert "there is no port 70000" in told_in_one_line(capsys)


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main.main(["serve", "mnms2"]) == 2
    assert "pip install 'cmrseg[serve]'" in told_in_one_line(capsys)


def test_missing_weights_end_the_start(tmp_path, capsys):
    command = ["serve", "mnms2", "--port", "0", "--weights", str(tmp_path)]
    assert main.main(command) == 6
    assert "no weights for mnms2" in told_in_one_line(capsys)


def test_the_platforms_places_are_the_usual_ones(monkeypatch):
    seen = {}

    def serve(challenge, **options):
        seen.update(options)
        raise SystemExit(0)

    monkeypatch.setattr("cmrseg.run.serve.serve", serve)
    with pytest.raises(SystemExit):
        main.main(["serve", "emidec"])
    assert (seen["input_dir"], seen["output_dir"]) == (Path("/input"), Path("/output"))
    assert (seen["host"], seen["port"]) == ("0.0.0.0", 4743)


def test_a_case_is_computed_as_asked_for(bundles, tmp_path, monkeypatch):
    """Both exec and invoke take the same options for it; the socket table is the request's."""
    seen = {}

    class EndedError(Exception):
        pass

    def model(challenge, weights, settings, budget):
        seen.update(settings=settings, budget=budget)
        return SimpleNamespace(segment=None)

    def invoke(challenge, segment, source, out, sockets, case_timeout):
        seen.update(sockets=sockets, case_timeout=case_timeout)
        raise EndedError

    monkeypatch.setattr(serve_module, "model", model)
    monkeypatch.setattr(serve_module, "invoke", invoke)
    monkeypatch.setattr(serve_module.Turns, "take", lambda self, work: work())
    command = f"serve mnms2 --host 127.0.0.1 --port 0 --weights {bundles} --device cpu"
    command += " --precision fp32 --mirrors 2 --time-budget 90"
    command += " --refine case --refine-budget 20 --sockets table.json --case-timeout 7"
    options = main.parser().parse_args(command.split())
    with pytest.raises(EndedError):
        options.run(options)
    assert seen["budget"].seconds == 90
    assert (seen["sockets"], seen["case_timeout"]) == (Path("table.json"), 7)
    told = seen["settings"]
    assert (told.device, told.precision, told.mirrors, told.samples) == ("cpu", "fp32", 2, 20)
    assert (told.refine_s, told.tie) == (20.0, TIE)
