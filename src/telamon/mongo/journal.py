"""What a deployment itself remembers of the restore into it.

Kept in the deployment, because only there it cannot differ from what was done there: whether all
shadows are complete, and whether all are in place. One document of ``admin.telamon.restore``, a
place where it is in no user's database and in no snapshot.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from telamon.errors import RestoreFailed
from telamon.mongo.connect import Client
from telamon.mongo.write import IN_MEMORY, write

_COLLECTION = "telamon.restore"
_MAJORITY = {"w": "majority", "j": True, "wtimeout": 60_000}


class Milestone(StrEnum):
    """What a restore has reached."""

    LOADED = "loaded"
    """All shadows are complete."""
    SWAPPING = "swapping"
    """The first of them may be in place."""
    SWAPPED = "swapped"
    """All of them are in place."""


class Journal:
    """The record of one job. The methods raise PyMongo's errors."""

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._term: object = None

    @property
    def milestone(self) -> Milestone | None:
        """None for a job that has reached none, or whose record another job's load removed."""
        record = self._client.admin[_COLLECTION].find_one({"_id": self._job_id}) or {}
        return Milestone(record["milestone"]) if "milestone" in record else None

    @property
    def skipped(self) -> dict[int, list[str]]:
        """Names of indexes that are not built, by the number of their collection; as ``mark`` noted."""
        record = self._client.admin[_COLLECTION].find_one({"_id": self._job_id}) or {}
        return {int(number): names for number, names in record.get("skipped", {}).items()}

    def begin(self) -> None:
        """Note who is primary, before the first write."""
        self._term = _term(self._client)

    def settle(self) -> None:
        """Return once all writes since ``begin`` are durable on a majority.

        One write that is so is enough, because commits follow the order of the oplog. Raises
        RestoreFailed if the primary restarted or changed, since it may have lost writes that it had
        acknowledged from its memory.
        """
        self._update({"$inc": {"settled": 1}})
        if _term(self._client) != self._term:
            raise RestoreFailed(
                "The deployment restarted or changed its primary during the restore and may have "
                "lost what was written before; the restore must be run again."
            )

    def mark(
        self, milestone: Milestone, *, skipped: Mapping[int, Sequence[str]] | None = None
    ) -> None:
        """Idempotent, and durable on return. What is not given stays as it is."""
        noted: dict[str, Any] = {"milestone": milestone}
        if skipped is not None:
            noted["skipped"] = {str(number): list(names) for number, names in skipped.items()}
        self._update({"$set": noted})

    def forget(self) -> None:
        self._delete({"_id": self._job_id})

    def forget_all(self) -> None:
        """As ``forget``, for every job that ever worked on the deployment."""
        self._delete({})

    def _update(self, change: dict[str, Any]) -> None:
        statement = {"q": {"_id": self._job_id}, "u": change, "upsert": True}
        command = {"update": _COLLECTION, "updates": [statement], "writeConcern": _MAJORITY}
        write(self._client.admin, command)

    def _delete(self, condition: dict[str, Any]) -> None:
        statement = {"q": condition, "limit": 0}
        command = {"delete": _COLLECTION, "deletes": [statement], "writeConcern": IN_MEMORY}
        write(self._client.admin, command)


def _term(client: Client) -> object:
    """What stays the same while one primary runs (MongoDB manual, hello)."""
    answer = client.admin.command("hello")
    process = answer.get("topologyVersion", {}).get("processId")
    return process, answer.get("electionId"), answer.get("setVersion")
