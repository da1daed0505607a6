"""The threads in which a worker captures oplogs, beside its jobs and its chores."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import structlog

from telamon.errors import TelamonError

_THREADS = 8
_MOST_ROUNDS_LEFT_OUT = 15

_log = structlog.get_logger()


class Capture(Protocol):
    """As ``OplogCapture``."""

    def wanted(self) -> tuple[str, ...]: ...

    def pass_over(self, instance_id: str) -> bool: ...

    def close(self) -> None: ...


class Capturing:
    """Passes over every instance, again and again, a few at once.

    A deployment that does not answer holds up nobody but itself, and a thread for some seconds; it is
    left out for more and more rounds then.
    """

    def __init__(self, capture: Capture, *, every_seconds: float, threads: int = _THREADS) -> None:
        self._capture = capture
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._passes: dict[str, Future[None]] = {}
        self._failures: dict[str, str] = {}
        self._left_out: dict[str, int] = {}  # for how many rounds, after the last failure
        self._round = 0
        self._next_round: dict[str, int] = {}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="telamon-capture")
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, wait_seconds: float) -> None:
        """No pass begins any more. One that runs on is as good as killed when the process ends."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(wait_seconds)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def round(self) -> None:
        """Begin a pass over every instance that is not being passed over. Raises nothing."""
        try:
            wanted = self._capture.wanted()
        except TelamonError as error:
            _log.warning("capture_failed", action="capture_oplog", reason=error.message)
            return
        self._round += 1
        self._passes = {key: one for key, one in self._passes.items() if not one.done()}
        for instance_id in wanted:
            is_left_out = self._next_round.get(instance_id, 0) > self._round
            if self._stopping.is_set():
                return
            if instance_id not in self._passes and not is_left_out:
                self._passes[instance_id] = self._pool.submit(self._pass_over, instance_id)

    def settle(self) -> None:
        """Return once the passes that have begun are over."""
        for one in list(self._passes.values()):
            one.result()

    def _pass_over(self, instance_id: str) -> None:
        if self._stopping.is_set():
            return
        try:
            self._capture.pass_over(instance_id)
        except TelamonError as error:
            self._leave_out(instance_id)
            self._tell(instance_id, error.message)
        except Exception:  # noqa: BLE001  # one instance's defect must not end the others
            _log.exception("capture_broke", action="capture_oplog", instance_id=instance_id)
        else:
            self._left_out.pop(instance_id, None)
            if self._failures.pop(instance_id, None) is not None:
                _log.info("capture_resumed", action="capture_oplog", instance_id=instance_id)

    def _leave_out(self, instance_id: str) -> None:
        rounds = min(2 * self._left_out.get(instance_id, 0) + 1, _MOST_ROUNDS_LEFT_OUT)
        self._left_out[instance_id] = rounds
        self._next_round[instance_id] = self._round + rounds + 1

    def _tell(self, instance_id: str, reason: str) -> None:
        """Once, however often the same failure comes."""
        if self._failures.get(instance_id) != reason:
            self._failures[instance_id] = reason
            _log.warning(
                "capture_failed", action="capture_oplog", instance_id=instance_id, reason=reason
            )

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.round()
            self._stopping.wait(self._every_seconds)
