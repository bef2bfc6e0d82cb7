"""A server that keeps the bytes which reach it."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import ClassVar, Self

from tests.http.raw import RawAnswer

_HOLD_SECONDS = 30


class Recorder:
    """Answers every request with the same bytes.

    Attributes:
        requests: What came, oldest first.
    """

    ANSWER: ClassVar[bytes] = b'{"c": "\xc3\xa9"}\n'

    def __init__(self) -> None:
        self.requests: list[RawAnswer] = []
        self._go_on = threading.Event()
        self._go_on.set()
        self._server = _Server(("127.0.0.1", 0), _handler(self))

    @property
    def port(self) -> int:
        """Where it listens, at 127.0.0.1."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Answer nobody inside the block."""
        self._go_on.clear()
        try:
            yield
        finally:
            self._go_on.set()

    def answer(self, request: RawAnswer) -> bytes:
        """Keep a request and return the bytes of its answer."""
        self.requests.append(request)
        self._go_on.wait(_HOLD_SECONDS)
        return (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/activity+json\r\n"
            b"Signature: sig1=:BBBB:\r\nContent-Digest: sha-256=:BBBB:\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%s"
            % (len(self.ANSWER), self.ANSWER)
        )


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


def _handler(recorder: Recorder) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines = []
            while (line := self.rfile.readline()).strip():
                lines.append(line.rstrip(b"\r\n"))
            request = RawAnswer(b"\r\n".join(lines), b"")
            length = int(request.field("Content-Length") or 0)
            body = self.rfile.read(length)
            self.wfile.write(recorder.answer(RawAnswer(request.head, body)))

    return Handler
