"""The worker process as a child of the API's: started, started again, stopped."""

import asyncio
import contextlib
import sys
import time

import structlog

from telamon.config import Settings

_RESTART_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_STOP_MARGIN_SECONDS = 60.0

_log = structlog.get_logger()


async def supervise(settings: Settings) -> None:
    """Keep one worker process alive; end it when this task is cancelled."""
    pause = _RESTART_PAUSE_SECONDS
    while True:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "telamon", "worker", "--supervised"),
            *("--data-dir", str(settings.data_dir)),
            stdin=asyncio.subprocess.PIPE,  # its end tells the worker that this process is gone
        )
        started = time.monotonic()
        try:
            status = await worker.wait()
        except asyncio.CancelledError:
            await _end(worker, settings.stop_grace_seconds + _STOP_MARGIN_SECONDS)
            raise
        if time.monotonic() - started > _LONGEST_PAUSE_SECONDS:
            pause = _RESTART_PAUSE_SECONDS
        _log.error("worker_died", action="supervise", status=status, restart_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def _end(worker: asyncio.subprocess.Process, timeout_seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.terminate()
    try:
        await asyncio.wait_for(worker.wait(), timeout_seconds)
    except TimeoutError:
        worker.kill()
        await worker.wait()
