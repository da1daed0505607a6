"""The JSON of restore jobs that have ended: nothing in it changes any more, but that they expire."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from telamon.api import render
from telamon.model.restore_job import RestoreJob

_MOST = 20_000  # at about half a kilobyte each

Rendered = object
"""What msgspec encodes."""


class FinishedJobs:
    """Keeps what was rendered of the jobs that were listed lately. For one thread."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: dict[tuple[str, str, bool], msgspec.Raw] = {}

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def listed(
        self,
        jobs: Sequence[RestoreJob],
        *,
        place: str,
        now: datetime,
        rendered: Callable[[RestoreJob], Rendered],
    ) -> list[Rendered]:
        """Each job as ``rendered`` makes it for readers of the list at ``place``, an absolute URL."""
        results: list[Rendered] = []
        for job in jobs:
            if job.finished_at is None:
                results.append(rendered(job))
                continue
            key = (job.id, place, now >= job.expires_at)
            results.append(self._kept.get(key) or self._keep(key, rendered(job)))
        return results

    def _keep(self, key: tuple[str, str, bool], body: Rendered) -> msgspec.Raw:
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        raw = msgspec.Raw(render.to_json(body))
        self._kept[key] = raw
        return raw
