"""Checks that run the image: sample cases through both of the platform's APIs, in its sandbox."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cmrseg.cases.challenge import Challenge
from cmrseg_lab.lint_image.checks import Check, check_of
from cmrseg_lab.lint_image.engine import Container, Engine, Said
from cmrseg_lab.lint_image.sample import (
    OUTPUT_MODE,
    SamplePatient,
    draw_samples,
    emptied_folder,
    lay_out,
    output_faults,
)

PORT = 4743
HEALTH_S, CALL_S, GRACE_S = 300, 10, 5
CASE_S = 1200.0
EXEC, HEALTH, CASES, SIGTERM = "exec case", "invoke health", "invoke cases", "invoke sigterm"
NAMES = (EXEC, HEALTH, CASES, SIGTERM)
INTO_THE_CASE_S = 1.5
# The container has no network but its own loop, so the question is asked from inside.
ASK = (
    "import sys, http.client as h;"
    f"c = h.HTTPConnection('127.0.0.1', {PORT}, timeout=float(sys.argv[3]));"
    "c.request(sys.argv[1], sys.argv[2]); a = c.getresponse();"
    "print(a.status, a.read(500).decode('utf-8', 'replace').strip())"
)


@dataclass(frozen=True, slots=True)
class TrialStage:
    """Two sample cases, and the folders that containers see.

    Attributes:
        samples: cases on different voxels.
        input_dir: becomes ``/input``.
        output_dir: becomes ``/output``.
    """

    samples: tuple[SamplePatient, ...]
    input_dir: Path
    output_dir: Path

    def set(self, sample: SamplePatient) -> None:
        """Put a case into the input folder and wipe the output, as between two invocations."""
        lay_out(sample, self.input_dir)
        emptied_folder(self.output_dir, OUTPUT_MODE)


@contextmanager
def staged(challenge: Challenge) -> Iterator[TrialStage]:
    """Sample cases of a challenge and folders for them, deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="cmrseg-lint-") as folder:
        samples = tuple(draw_samples(challenge))
        yield TrialStage(samples, Path(folder, "input"), Path(folder, "output"))


def trials(engine: Engine, image: str, challenge: Challenge) -> Iterator[Check]:
    """Run the image on sample cases through exec and invoke."""
    with staged(challenge) as stage:
        yield exec_case(engine, image, stage)
        yield from invocations(engine, image, stage)


def exec_case(engine: Engine, image: str, stage: TrialStage) -> Check:
    """One case, one container; exit code 0."""
    stage.set(stage.samples[0])
    container = Container.of(engine, "exec", stage.input_dir, stage.output_dir)
    started = time.monotonic()
    try:
        said = container.run(image, CASE_S)
    finally:
        container.remove()
    seconds = time.monotonic() - started
    if said.code != 0:
        faults = [f"exit code {said.code}: {said.reason}"]
        return check_of(EXEC, faults, "", "run it by hand on a sample case")
    faults = output_faults(stage.samples[0], stage.output_dir)
    fine = f"exit code 0 after {seconds:.0f} s, output by the rules"
    return check_of(EXEC, faults, fine, "write what the sockets say and nothing else")


def invocations(engine: Engine, image: str, stage: TrialStage) -> Iterator[Check]:
    """One container, several cases: health, two invocations, SIGTERM in the middle of a third."""
    stage.set(stage.samples[0])
    container = Container.of(engine, "invoke", stage.input_dir, stage.output_dir)
    try:
        health = _health(container, container.start(image))
        yield health
        if health.verdict != "pass":
            reason = "the server was not there" if health.verdict == "fail" else health.found
            yield from skipped(reason, (CASES, SIGTERM))
            return
        yield _cases(container, stage)
        yield _sigterm(container, stage)
    finally:
        container.remove()


def skipped(reason: str, names: tuple[str, ...] = NAMES) -> Iterator[Check]:
    """The checks that could not be made, and why."""
    for name in names:
        yield Check(name=name, verdict="skip", found=reason)


def _health(container: Container, started: Said) -> Check:
    """200 within 300 s, each call answered within 10."""
    remedy = f"answer GET /health on port {PORT} once the models are loaded"
    if started.code != 0:
        return check_of(HEALTH, [started.reason], "", remedy)
    if container.engine.ask(*container.inside("python3", "-c", "")).code != 0 and (
        container.running()
    ):
        reason = "no python3 in the image to ask the server with"
        return Check(name=HEALTH, verdict="skip", found=reason)
    begun = time.monotonic()
    status = "nothing"
    while (seconds := time.monotonic() - begun) < HEALTH_S:
        if not container.running():
            return check_of(HEALTH, [f"the server ended: {container.last_words()}"], "", remedy)
        said = _ask(container, "GET", "/health", CALL_S)
        if said.out.startswith("200"):
            return check_of(HEALTH, [], f"200 after {seconds:.0f} s", remedy)
        status = said.reason
        time.sleep(0.5)
    return check_of(HEALTH, [f"no 200 within {HEALTH_S} s, but {status}"], "", remedy)


def _cases(container: Container, stage: TrialStage) -> Check:
    """Two cases on different voxels from the same path: each answered 201, each output its own."""
    faults = []
    started = time.monotonic()
    for number, sample in enumerate(stage.samples, 1):
        stage.set(sample)
        said = _ask(container, "POST", "/invoke", CASE_S)
        if not said.out.startswith("201"):
            faults.append(f"case {number}: {said.reason}")
        else:
            found = output_faults(sample, stage.output_dir)
            faults += [f"case {number}: {fault}" for fault in found]
    seconds = (time.monotonic() - started) / len(stage.samples)
    fine = f"{len(stage.samples)} answered 201, {seconds:.0f} s each, output by the rules"
    remedy = "answer 201 when all is written; look into /input anew at each invocation"
    return check_of(CASES, faults, fine, remedy)


def _sigterm(container: Container, stage: TrialStage) -> Check:
    """The end comes within 5 s, in the middle of a case, and leaves no half output."""
    sample = stage.samples[0]
    stage.set(sample)
    asked = container.engine.start(*_question(container, "POST", "/invoke", CASE_S))
    time.sleep(INTO_THE_CASE_S)
    started = time.monotonic()
    container.engine.ask("kill", "--signal", "TERM", container.name)
    ended = container.engine.ask("wait", container.name, timeout_s=4 * GRACE_S)
    seconds = time.monotonic() - started
    asked.kill()
    asked.wait()
    faults = []
    if ended.code != 0 or seconds > GRACE_S:
        faults.append(f"still running after {seconds:.1f} s")
    # The case may have been done before the signal came: then all of it has to be there.
    if any(stage.output_dir.iterdir()) and output_faults(sample, stage.output_dir):
        faults.append("it left half an output")
    remedy = f"end within {GRACE_S} s of SIGTERM, and move results in when they are whole"
    fine = f"ended after {seconds:.1f} s, exit code {ended.out.strip()}, nothing half-written"
    return check_of(SIGTERM, faults, fine, remedy)


def _ask(container: Container, method: str, path: str, timeout_s: float) -> Said:
    question = _question(container, method, path, timeout_s)
    return container.engine.ask(*question, timeout_s=timeout_s + CALL_S)


def _question(container: Container, method: str, path: str, timeout_s: float) -> tuple[str, ...]:
    return container.inside("python3", "-c", ASK, method, path, str(timeout_s))
