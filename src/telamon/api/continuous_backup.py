"""Continuous backup on Telamon's own paths: switched on and off, and what it covers."""

import itertools
from datetime import UTC, datetime

from msgspec import UNSET, UnsetType

from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Reply, Route, Surface, Wire
from telamon.model.manifest import ClusterTime
from telamon.operations.continuous_backup import Coverage


class _Switch(Wire, kw_only=True, frozen=True):
    enabled: bool


class MomentView(Wire, kw_only=True, frozen=True):
    date: datetime
    oplog_inc: int
    oplog_ts: int


class WindowView(Wire, kw_only=True, frozen=True):
    """Every moment from one to the other is covered, both included."""

    start: MomentView
    until: MomentView


class GapView(Wire, kw_only=True, frozen=True):
    """What was written between the two is not known."""

    reason: str
    start: MomentView
    until: MomentView


class ContinuousBackupView(Wire, kw_only=True, frozen=True):
    enabled: bool
    failed_at: datetime | UnsetType = UNSET
    failure: str | UnsetType = UNSET
    gaps: list[GapView]
    lag_seconds: int | UnsetType = UNSET
    stored_bytes: int
    windows: list[WindowView]


async def get_continuous_backup(call: Call) -> Reply:
    """Windows and gaps, the oldest first."""
    found = await call.services.continuous_backup.get(
        call.caller, call.group_id, call.instance_name
    )
    return Reply(body=_coverage(found))


async def switch_continuous_backup(call: Call) -> Reply:
    """On or off, for an instance of any kind."""
    backup = call.services.continuous_backup
    await backup.require_owner(call.caller, call.group_id, call.instance_name)
    wanted = read_object(await call.read_body(), _Switch)
    found = await backup.switch(
        call.caller, call.group_id, call.instance_name, enabled=wanted.enabled
    )
    return Reply(body=_coverage(found))


def _coverage(found: Coverage) -> ContinuousBackupView:
    return ContinuousBackupView(
        enabled=found.enabled,
        failed_at=found.failure.at if found.failure else UNSET,
        failure=found.failure.reason if found.failure else UNSET,
        gaps=[
            GapView(reason=after.gap or "", start=_moment(before.until), until=_moment(after.start))
            for before, after in itertools.pairwise(found.windows)
        ],
        lag_seconds=UNSET if found.lag is None else int(found.lag.total_seconds()),
        stored_bytes=found.stored_bytes,
        windows=[
            WindowView(start=_moment(one.start), until=_moment(one.until)) for one in found.windows
        ],
    )


def _moment(time: ClusterTime) -> MomentView:
    return MomentView(
        date=datetime.fromtimestamp(time.seconds, UTC),
        oplog_inc=time.increment,
        oplog_ts=time.seconds,
    )


_OWN = (Surface.OWN,)
_PATH = "/groups/{groupId}/instances/{instanceName}/continuousBackup"

ROUTES = (
    Route(
        operation_id="getContinuousBackup",
        method="GET",
        path=_PATH,
        handler=get_continuous_backup,
        answer=Answer(ContinuousBackupView),
        surfaces=_OWN,
    ),
    Route(
        operation_id="switchContinuousBackup",
        method="PATCH",
        path=_PATH,
        handler=switch_continuous_backup,
        answer=Answer(ContinuousBackupView),
        body=_Switch,
        surfaces=_OWN,
    ),
)
