"""An HTTP server between a store and a real one, for what a real one does only on a bad day."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "content-length", "date", "server", "transfer-encoding"}
_HOLD_LIMIT_SECONDS = 30


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


Rule = Callable[[Request], Answer | None]
"""What to answer; None closes the connection without an answer."""


class S3Proxy:
    """Hands every request on, except as it is told; ``requests`` has all of them, in order."""

    def __init__(self, upstream: str) -> None:
        self.requests: list[Request] = []
        self.strips_conditions = False
        """Whether it drops If-None-Match, as servers do that do not know it."""
        self._upstream = urlsplit(upstream).netloc
        self._rules: dict[str, deque[Rule]] = {}
        self._closing = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(
        self, method: str, status: int, body: str | bytes = b"", times: int = 1, **headers: str
    ) -> None:
        """Answer the next request of ``method`` so, and do not hand it on."""
        content = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._plan(method, lambda _: Answer(status, named, content), times)

    def lose_answer(self, method: str, times: int = 1) -> None:
        """Hand the next request of ``method`` on, and keep the answer."""

        def rule(request: Request) -> None:
            self.hand_on(request)

        self._plan(method, rule, times)

    def hold(self, method: str, times: int = 1) -> None:
        """Do not answer the next request of ``method`` before the test is over."""

        def rule(_: Request) -> None:
            self._closing.wait(_HOLD_LIMIT_SECONDS)

        self._plan(method, rule, times)

    def hand_on(self, request: Request) -> Answer:
        connection = HTTPConnection(self._upstream)
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            answer = connection.getresponse()
            headers = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in _HOP_BY_HOP
            }
            if request.method == "HEAD":
                headers["Content-Length"] = answer.getheader("Content-Length", "0")
            return Answer(answer.status, headers, answer.read())
        finally:
            connection.close()

    def _plan(self, method: str, rule: Rule, times: int) -> None:
        self._rules.setdefault(method, deque()).extend([rule] * times)

    def _treat(self, request: Request) -> Answer | None:
        self.requests.append(request)
        rules = self._rules.get(request.method)
        return rules.popleft()(request) if rules else self.hand_on(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                if proxy.strips_conditions:
                    headers.pop("if-none-match", None)
                answer = proxy._treat(Request(self.command, self.path, headers, body))
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in answer.headers:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)
                    promised = int(answer.headers.get("Content-Length", len(answer.body)))
                    self.close_connection |= promised != len(answer.body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the test has the requests."""

        for method in ("GET", "PUT", "HEAD", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.answer)
        return Handler
