"""The platform's invoke API: models loaded once, one case a request.

======================  ==========================================================================
``GET /health``         200 once the models are loaded; before that nobody listens
``POST /invoke``        segments the case that lies in the input folder *now*: 201 when it is
                        written, 400 if the input cannot be used, 500 for any other failure,
                        503 if the server is being ended; the body is the reason, one line
======================  ==========================================================================

Cases are computed in the main thread and requests answered from another one. So ``/health`` is
quick while a case is computed, a second ``/invoke`` waits for its turn, and SIGTERM ends a case in
the middle the way it ends ``cmrseg predict``: as an exception that cleans up on its way out.

The platform re-points ``/input`` and wipes ``/output`` between two invocations: both paths are
looked up anew each time.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn

from cmrseg.cases.challenge import Challenge
from cmrseg.models import bundle
from cmrseg.run import batch
from cmrseg.run.folder_run import Segment
from cmrseg.run.predict import model
from cmrseg.run.settings import Settings
from cmrseg.runtime import Budget
from cmrseg.runtime.errors import EXIT_INPUT, EXIT_OK, CmrsegError, UsageError
from cmrseg.runtime.logs import Line, tell

PORT, LAST_PORT = 4743, 65535
CONTRACT = "grand-challenge"
LAST_WORDS_S = 1
"""How long requests under way are given when the server ends; the platform grants 5 s in all."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets: a status, and one line of text."""

    status: HTTPStatus
    line: str


TERMINATED = Answer(HTTPStatus.SERVICE_UNAVAILABLE, "the server was ended before the case was done")


def serve(
    challenge: Challenge,
    *,
    host: str = "0.0.0.0",
    port: int = PORT,
    input_dir: Path = Path("/input"),
    output_dir: Path = Path("/output"),
    settings: Settings | None = None,
    **changed: Any,
) -> NoReturn:
    """Load the models, then segment one case a request until a signal ends the process.

    Args:
        challenge: the recipe, ``emidec`` or ``mnms2``.
        host: address to listen on.
        port: port to listen on; 0 for a free one, which the first log line tells.
        input_dir: the platform's ``/input``, looked up anew at each request.
        output_dir: the platform's ``/output``.
        settings: how cases are computed; no cohort, as a request brings one case.
        changed: single settings by name (:class:`~cmrseg.run.settings.Settings`).

    Raises:
        CmrsegError: the server could not be started (its extra, the port, the weights).
    """
    settings = replace(settings or Settings(), **changed)
    if settings.cohort:
        raise UsageError(
            f"--{min(settings.cohort)} cohort: a request brings one case, which is no cohort",
            "leave it out: the bundle's frozen thresholds are for this",
        )
    bound = _bound(host, port)
    found, budget = bundle.find(challenge, settings.bundle_folder), Budget(settings.time_budget)
    segment = model(challenge, found, settings, budget).segment
    sockets = Path(settings.sockets) if settings.sockets else None
    # What is loaded stays: nobody need look through it for garbage, least of all in the last 5 s.
    gc.freeze()
    turns = Turns()

    def answer() -> Answer:
        return invoke(challenge, segment, input_dir, output_dir, sockets, settings.case_timeout)

    with _listening(turns, bound):
        tell(Line(f"serving {challenge} on port {bound.getsockname()[1]}"))
        while True:
            turns.take(answer)


def invoke(
    challenge: Challenge,
    segment: Segment,
    input_dir: Path,
    output_dir: Path,
    sockets: Path | None = None,
    case_timeout: float | None = None,
) -> Answer:
    """Segment the case that lies in ``input_dir`` now.

    Returns:
        201, or the failure's status and reason, which is the last line on stderr too.
    """
    from cmrseg.cases.detect import open_contract

    reasons: list[Line] = []

    def complain(line: Line) -> None:
        reasons.append(line)
        tell(line)

    try:
        opened = open_contract(challenge, input_dir, output_dir, CONTRACT, sockets=sockets)
        code = batch.run(opened, segment, case_timeout=case_timeout, complain=complain)
    except CmrsegError as error:
        complain(Line(str(error), "error"))
        code = error.exit_code
    if code == EXIT_OK:
        return Answer(HTTPStatus.CREATED, "written")
    bad_input = code == EXIT_INPUT
    status = HTTPStatus.BAD_REQUEST if bad_input else HTTPStatus.INTERNAL_SERVER_ERROR
    return Answer(status, str(reasons[-1]))


class Turns:
    """Invocations waiting for the main thread, and the ASGI app through which they come."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Future[Answer] | None] = SimpleQueue()

    def take(self, work: Callable[[], Answer]) -> None:
        """Wait for the next invocation and answer it with what ``work`` returns.

        Raises:
            CmrsegError: nobody listens any more.
        """
        request = self._waiting.get()
        if request is None:
            raise CmrsegError("the server has stopped listening", "start it again")
        if not request.set_running_or_notify_cancel():
            return
        try:
            request.set_result(work())
        finally:
            if not request.done():
                request.set_result(TERMINATED)

    def close(self) -> None:
        """Tell everybody who waits that their turn will not come."""
        while not self._waiting.empty():
            request = self._waiting.get()
            if request is not None and request.set_running_or_notify_cancel():
                request.set_result(TERMINATED)

    def hang_up(self) -> None:
        """Tell the main thread that no invocation will come any more."""
        self._waiting.put(None)

    async def app(self, scope: Message, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        # A body would otherwise stand in the way of the connection's next request.
        while (await receive()).get("more_body"):
            pass
        answer = await self._answer(scope["method"], scope["path"])
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        status = answer.status.value
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": f"{answer.line}\n".encode()})

    async def _answer(self, method: str, path: str) -> Answer:
        match method, path:
            case "GET", "/health":
                return Answer(HTTPStatus.OK, "ready")
            case "POST", "/invoke":
                request: Future[Answer] = Future()
                self._waiting.put(request)
                return await asyncio.wrap_future(request)
            case _, "/health" | "/invoke":
                return Answer(HTTPStatus.METHOD_NOT_ALLOWED, "use GET /health or POST /invoke")
        return Answer(HTTPStatus.NOT_FOUND, "there are GET /health and POST /invoke")


@contextmanager
def _listening(turns: Turns, bound: socket.socket) -> Iterator[None]:
    """Answer requests from a thread of their own."""
    import uvicorn

    _quiet_logs()
    config = uvicorn.Config(
        turns.app,
        interface="asgi3",
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=LAST_WORDS_S,
    )
    server = uvicorn.Server(config)

    def listen() -> None:
        try:
            server.run(sockets=[bound])
        finally:
            turns.hang_up()

    bound.listen()  # who asks from now on is answered, if only once the thread has started
    thread = threading.Thread(target=listen, name="listener", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        turns.close()
        thread.join(2 * LAST_WORDS_S)


def _bound(host: str, port: int) -> socket.socket:
    """A socket bound to the port, not yet listening: a port in use is told before models load.

    Raises:
        UsageError: the extra is missing, or the port cannot be used.
    """
    try:
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "the server needs uvicorn, which is not installed", "pip install 'cmrseg[serve]'"
        ) from error
    if port > LAST_PORT:  # the resolver would take it modulo 65536
        raise UsageError(f"there is no port {port}", f"give one from 0 to {LAST_PORT}")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise UsageError(
            f"port {port} of {host} cannot be used ({error.strerror})",
            "end what uses it, or give another --host and --port",
        ) from error
    return bound


class _OneLine(logging.Handler):
    """uvicorn's warnings as progress lines: stderr is kept for the reasons of failures."""

    def emit(self, record: logging.LogRecord) -> None:
        raised = record.exc_info[1] if record.exc_info else None
        cause = f" ({type(raised).__name__})" if raised else ""
        tell(Line(f"server: {record.getMessage()}{cause}", "warning"))


def _quiet_logs() -> None:
    logger = logging.getLogger("uvicorn")
    logger.handlers, logger.propagate = [_OneLine(logging.WARNING)], False
