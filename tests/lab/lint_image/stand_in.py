"""An engine's command line that runs ``algorithm.py`` on this machine instead of an image.

Shows what the linter makes of an algorithm, where no engine is; nothing here is restricted. The
image's name is the algorithm's fault.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
STATE = Path(os.environ["STAND_IN"])
PORT = os.environ["STAND_IN_PORT"]


def algorithm(options: list[str]) -> list[str]:
    """The command that stands in for ``run OPTIONS IMAGE``."""
    mounts = dict(reversed(o.removesuffix(":ro").split(":")) for o in options if ":/" in o)
    api = next(o.partition("=")[2] for o in options if o.startswith("CMRSEG_API="))
    folders = [mounts[name] for name in ("/input", "/output")]
    return [sys.executable, str(HERE / "algorithm.py"), api, *folders, PORT, options[-1]]


def keep(command: list[str]) -> None:
    """Run a server to its end, and note how it ended."""
    with (STATE / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    (STATE / "pid").write_text(str(process.pid))
    (STATE / "code").write_text(str(process.wait()))


def wait() -> int:
    while not (STATE / "code").exists():
        time.sleep(0.02)
    print((STATE / "code").read_text())
    return 0


def send(number: int) -> int:
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(int((STATE / "pid").read_text()), number)
    return 0


def main(verb: str, *options: str) -> int:
    (STATE / "calls").open("a").write(f"{verb} {' '.join(options)}\n")
    if verb == "run" and "--detach" in options:
        command = [sys.executable, __file__, "_keep", *algorithm(list(options))]
        none = subprocess.DEVNULL
        subprocess.Popen(command, stdin=none, stdout=none, stderr=none, start_new_session=True)
        while not (STATE / "pid").exists():
            time.sleep(0.02)
    elif verb == "run":
        command = algorithm(list(options))
        os.execv(command[0], command)
    elif verb == "_keep":
        keep(list(options))
    elif verb == "exec":
        inside = [option.replace("4743", PORT) for option in options[2:]]
        os.execv(sys.executable, [sys.executable, *inside])
    elif verb == "inspect":
        print("false" if (STATE / "code").exists() else "true")
    elif verb == "logs":
        sys.stderr.write((STATE / "log").read_text())
    elif verb == "wait":
        return wait()
    elif verb in ("kill", "rm"):
        return send(signal.SIGTERM if verb == "kill" else signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
