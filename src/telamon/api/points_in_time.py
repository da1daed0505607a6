"""The moment of a restore job for a point in time, as every family of paths shows it."""

from datetime import UTC, datetime
from typing import Any

from telamon.api.call import Wire
from telamon.model.restore_job import RestoreJob


class BsonTimestamp(Wire, kw_only=True, frozen=True):
    """Of a restore to a moment; of any other, three nulls in this order, as recorded."""

    increment: int | None = None
    time: int | None = None
    date: datetime | None = None


def desired_timestamp(job: RestoreJob) -> BsonTimestamp:
    point = job.point_in_time
    if point is None:
        return BsonTimestamp()
    date = datetime.fromtimestamp(point.seconds, UTC)
    return BsonTimestamp(increment=point.increment, time=point.seconds, date=date)


def moment_members(job: RestoreJob) -> dict[str, int]:
    """The moment in the members in which it was asked for; none for other jobs."""
    point = job.point_in_time
    if point is None:
        return {}
    if not point.increment:
        return {"point_in_time_utc_seconds": point.seconds}
    return {"oplog_inc": point.increment, "oplog_ts": point.seconds}


def point_members(job: RestoreJob) -> dict[str, Any]:
    """As ``moment_members``, with the timestamp; of other jobs a serverless instance shows neither."""
    if job.point_in_time is None:
        return {}
    return {"desired_timestamp": desired_timestamp(job), **moment_members(job)}
