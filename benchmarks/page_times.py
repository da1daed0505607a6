"""The list of 100 restore jobs against an empty answer, both in process, without a socket."""

import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.page import app_with_jobs

EMPTY_ANSWERS = "200 empty Starlette answers"
JOB_PAGES = "200 pages of 100 restore jobs, with digest"
_JOBS = 1000
_REQUESTS = 200


async def measure_page() -> dict[str, float]:
    """Seconds of each, by name."""
    empty = Starlette(routes=[Route("/", lambda _request: Response(b"{}"))])
    with tempfile.TemporaryDirectory(prefix="telamon-bench-") as folder:
        app, auth, path = app_with_jobs(Path(folder), _JOBS)
        return {
            EMPTY_ANSWERS: await _requests(empty, None, "/"),
            JOB_PAGES: await _requests(app, auth, path),
        }


async def _requests(app: Any, auth: httpx.DigestAuth | None, path: str) -> float:
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://bench", auth=auth) as client:
        await client.get(path)
        started = time.perf_counter()
        for _ in range(_REQUESTS):
            answer = await client.get(path)
            assert answer.status_code == 200, answer.text
        return time.perf_counter() - started
