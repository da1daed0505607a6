"""What a deployment itself remembers of the restore into it.

Kept in the deployment, because only there it cannot differ from what was done there: whether all
shadows are complete, and whether all are in place; until then, how far each shadow is. Documents of
``admin.telamon.restore``, a place where they are in no user's database and in no snapshot: one of the
job, and one of each of its collections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far the shadow of one collection is: what its first documents in order are, all of them.

    Others may be there beside these. ``skipped`` are the names of indexes it goes without.
    """

    uuid: bytes
    documents: int
    size_bytes: int
    is_complete: bool
    """With its indexes, and counted."""
    skipped: tuple[str, ...] = ()


class Journal:
    """The record of one job. The methods raise PyMongo's errors."""

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._term: list[Any] = []

    @property
    def milestone(self) -> Milestone | None:
        """None for a job that has reached none, or whose record another job's load removed."""
        record = self._record()
        return Milestone(record["milestone"]) if "milestone" in record else None

    @property
    def skipped(self) -> dict[int, list[str]]:
        """Names of indexes that are not built, by the number of their collection; as ``mark`` noted."""
        record = self._record()
        return {int(number): names for number, names in record.get("skipped", {}).items()}

    def loaded(self, content: str) -> dict[int, Mark] | None:
        """Marks of a complete load of that content whose shadows are not all in place yet, or None."""
        record = self._record()
        is_loaded = record.get("milestone") in {Milestone.LOADED, Milestone.SWAPPING}
        return self._marks() if is_loaded and record.get("content") == content else None

    def resume(self, content: str) -> dict[int, Mark] | None:
        """Marks of a load of that content that has had no other primary than the present one.

        None if there was none, or the deployment may have lost something since it began.
        """
        record, term = self._record(), _term(self._client)
        process = term[0]
        is_same = record.get("term") == term and record.get("content") == content
        if process is None or not is_same or "milestone" in record:
            return None
        self._term = term
        return self._marks()

    def _marks(self) -> dict[int, Mark]:
        return {
            mark["number"]: Mark(
                uuid=bytes(mark["uuid"]),
                documents=mark["documents"],
                size_bytes=mark["size_bytes"],
                is_complete=mark["is_complete"],
                skipped=tuple(mark["skipped"]),
            )
            for mark in self._client.admin[_COLLECTION].find({"job": self._job_id})
        }

    def put_mark(self, number: int, mark: Mark) -> None:
        """In place of the collection's former one.

        The primary's memory will do: the mark counts only as long as that does.
        """
        noted = {"job": self._job_id, "number": number, **asdict(mark)}
        statement = {"q": {"_id": f"{self._job_id}.{number}"}, "u": noted, "upsert": True}
        command = {"update": _COLLECTION, "updates": [statement], "writeConcern": IN_MEMORY}
        write(self._client.admin, command)

    def begin(self, content: str | None = None) -> None:
        """Note who is primary, before the first write; for a load also in the deployment."""
        self._term = _term(self._client)
        if content is not None:
            self._update({"$set": {"term": self._term, "content": content}})

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
        self._delete({"$or": [{"_id": self._job_id}, {"job": self._job_id}]})

    def forget_all(self) -> None:
        """As ``forget``, for every job that ever worked on the deployment."""
        self._delete({})

    def _record(self) -> dict[str, Any]:
        return self._client.admin[_COLLECTION].find_one({"_id": self._job_id}) or {}

    def _update(self, change: dict[str, Any]) -> None:
        statement = {"q": {"_id": self._job_id}, "u": change, "upsert": True}
        command = {"update": _COLLECTION, "updates": [statement], "writeConcern": _MAJORITY}
        write(self._client.admin, command)

    def _delete(self, condition: dict[str, Any]) -> None:
        statement = {"q": condition, "limit": 0}
        command = {"delete": _COLLECTION, "deletes": [statement], "writeConcern": IN_MEMORY}
        write(self._client.admin, command)


def _term(client: Client) -> list[Any]:
    """What stays the same while one primary runs (MongoDB manual, hello)."""
    answer = client.admin.command("hello")
    process = answer.get("topologyVersion", {}).get("processId")
    return [process, answer.get("electionId"), answer.get("setVersion")]
