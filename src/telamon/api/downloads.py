"""Where downloads are fetched: beside Atlas's paths, by a signed link and nothing else."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from telamon.api import answers, byte_range
from telamon.api.call import Call, Surface
from telamon.api.headers import Headers
from telamon.errors import RangeNotSatisfiable, TelamonError, Unavailable
from telamon.model.restore_job import RestoreJob
from telamon.operations.download_files import DownloadFile, DownloadFiles, file_name

PREFIX = f"{Surface.OWN.value}/downloads/"
_AT_ONCE = 20  # files that one process sends; each takes some tens of megabytes
_STALL_SECONDS = 120  # for a client that takes nothing; it can go on where it was

_log = structlog.get_logger()


def urls(call: Call, job: RestoreJob) -> list[str]:
    """Where a download can be fetched: one URL while it can be, none before and after."""
    if not job.is_ready or job.is_expired(call.now):
        return []
    token = call.services.download_files.token(job)
    return [f"{call.root_url}{PREFIX}{token}/{file_name(job.snapshot_id)}"]


class Downloads:
    """The route, which stands before authentication."""

    def __init__(self, files: DownloadFiles) -> None:
        self._files = files
        self._sending = 0

    def routes(self) -> list[StarletteRoute]:
        return [
            StarletteRoute(f"{PREFIX}{{token}}/{{name}}", self._answer, methods=["GET", "HEAD"])
        ]

    async def _answer(self, request: Request) -> Response:
        try:
            file = await asyncio.to_thread(self._files.open, request.path_params["token"])
            asked = None
            if request.method == "GET":  # ranges mean nothing to other methods
                asked = byte_range.wanted(
                    request.headers.get("range"),
                    request.headers.get("if-range"),
                    etag=file.etag,
                    size_bytes=file.size_bytes,
                )
                if self._sending >= _AT_ONCE:
                    raise Unavailable(f"{_AT_ONCE} downloads are being sent; try again later.")
        except RangeNotSatisfiable as error:
            content_range = ("Content-Range", f"bytes */{error.parameters[0]}")
            return answers.of_error(error, Surface.OWN, [], [content_range])
        except TelamonError as error:
            return answers.of_error(error, Surface.OWN, [], [])
        return _Sent(file, asked, self._count)

    def _count(self, change: int) -> None:
        self._sending += change


class _Sent(Response):
    """A file, or a part of it, made in a thread of its own as fast as the client takes it.

    What it cannot make is missing at the end, and the connection closes without it.
    """

    def __init__(
        self, file: DownloadFile, part: tuple[int, int] | None, count: Callable[[int], None]
    ) -> None:
        """``count`` is told 1 and -1 when the sending begins and when it ends."""
        self._file = file
        self._start, self._end = part or (0, file.size_bytes)
        self._count = count
        fields = [*_fields(file), ("Content-Length", str(self._end - self._start))]
        if part is not None:
            content_range = f"bytes {self._start}-{self._end - 1}/{file.size_bytes}"
            fields.append(("Content-Range", content_range))
        self.status_code = 200 if part is None else 206
        self.raw_headers = [(name.encode(), value.encode()) for name, value in fields]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begin = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        if scope["method"] == "HEAD":
            await send(begin)
            await send({"type": "http.response.body"})
            return
        has_begun = False
        leaving = asyncio.ensure_future(_until_gone(receive))
        self._count(1)
        try:
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    if not has_begun:  # not before something can be sent
                        await send(begin)
                        has_begun = True
                    async with asyncio.timeout(_STALL_SECONDS):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    if leaving.done():
                        return
            await send({"type": "http.response.body"})
        except TimeoutError:
            self._log("download_stalled", "The client takes nothing.")
        except TelamonError as error:
            self._log("download_broken", error.message)
            if not has_begun:
                await answers.of_error(error, Surface.OWN, [], [])(scope, receive, send)
        finally:
            leaving.cancel()
            self._count(-1)

    async def _pieces(self) -> AsyncGenerator[bytes]:
        """While one is sent, the next one is made, and no more."""
        pieces = self._file.read(self._start, self._end)
        thread = ThreadPoolExecutor(1, thread_name_prefix="download")
        make_one = partial(asyncio.get_running_loop().run_in_executor, thread, next, pieces, b"")
        coming = make_one()
        try:
            while piece := await coming:
                coming = make_one()
                yield piece
        finally:
            coming.cancel()
            thread.submit(pieces.close)  # after what is under way there
            thread.shutdown(wait=False)

    def _log(self, event: str, reason: str) -> None:
        _log.warning(
            event, action="send_download", restore_job_id=self._file.restore_job_id, reason=reason
        )


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _fields(file: DownloadFile) -> Headers:
    return [
        ("Content-Type", "application/gzip"),
        ("Content-Disposition", f'attachment; filename="{file.name}"'),
        ("Accept-Ranges", "bytes"),
        ("ETag", file.etag),
        ("Cache-Control", "private, no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
    ]
