"""A small algorithm in both of the platform's ways, with a fault on request.

``algorithm.py API INPUT OUTPUT PORT FAULT``
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from cmrseg.imaging import Volume, read, write

api, source, target, port, fault = sys.argv[1:]
remembered: list[Volume] = []
busy = threading.Lock()


def segment() -> None:
    """Masks and maps of the case that lies in the input folder."""
    (path,) = Path(source, "images/delayed-enhancement-mri").iterdir()
    image = read(path)
    if fault == "stale":
        remembered.append(image)
        image = remembered[0]
    kind = np.int16 if fault == "int16" else np.uint8
    mask = np.full(image.array.shape, 9 if fault == "labels" else 1, kind)
    put("delayed-enhancement-segmentation", image.like(mask))
    if fault == "slow":
        time.sleep(60)
    put("delayed-enhancement-uncertainty", image.like(mask.astype(np.float32)))
    results = '{"dice": NaN}' if fault == "nan" else json.dumps({"volume_ml": 1.5})
    Path(target, "results.json").write_text(results)
    if fault == "litter":
        Path(target, "debug.log").write_text("hello")


def put(slug: str, image: Volume) -> None:
    """One image in its socket's folder."""
    folder = Path(target, "images", slug)
    folder.mkdir(parents=True)
    write(image, folder / "output.mha")


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(503 if fault == "unhealthy" else 200, "so it is")

    def do_POST(self) -> None:
        with contextlib.nullcontext() if fault == "slow" else busy:
            segment()
        self.answer(200 if fault == "status" else 201, "written")

    def answer(self, status: int, line: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(line.encode())

    def log_message(self, *what: object) -> None:
        pass


def end(*what: object) -> None:
    """A case under way is finished first: it takes no time."""
    with busy:
        os._exit(143)


ON_SIGTERM = {"deaf": signal.SIG_IGN, "slow": signal.SIG_DFL}

if fault == "crash":
    sys.exit("the model is broken")
if api == "exec":
    segment()
else:
    signal.signal(signal.SIGTERM, ON_SIGTERM.get(fault, end))
    ThreadingHTTPServer(("127.0.0.1", int(port)), Answers).serve_forever()
