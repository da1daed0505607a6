"""Drills, on Telamon's own paths: Atlas has none."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Reply, Route, Surface, Wire
from telamon.model.access import PROJECT_BACKUP_MANAGERS
from telamon.model.drill import Drill


class _NewDrill(Wire, kw_only=True, frozen=True):
    """There is nothing to choose yet."""


class DrillView(Wire, kw_only=True, frozen=True):
    failure: str | UnsetType = UNSET
    finished_at: datetime | UnsetType = UNSET
    id: str
    instance_name: str
    requested_at: datetime
    snapshot_id: str
    started_at: datetime | UnsetType = UNSET
    state: str


class SignedReportView(Wire, kw_only=True, frozen=True):
    """As the worker signed it; ``report`` is told of in docs/operations.md."""

    key_id: str
    public_key: str
    report: dict[str, Any]
    signature: str


class DrillKeyView(Wire, kw_only=True, frozen=True):
    key_id: str
    pem: str


async def start_drill(call: Call) -> Reply:
    """Of the newest good snapshot; queued when this answers."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_BACKUP_MANAGERS)
    await call.services.instances.require(call.group_id, call.instance_name)
    read_object(await call.read_body() or b"{}", _NewDrill)
    drill = await call.services.drills.start(call.caller, call.group_id, call.instance_name)
    return Reply(status=201, body=_drill(drill))


async def list_drills(call: Call) -> Reply:
    """Newest first."""
    page = await call.services.drills.list(
        call.caller,
        call.group_id,
        call.instance_name,
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    return call.listed([_drill(drill) for drill in page.items], page.total)


async def get_drill(call: Call) -> Reply:
    """With the reason of a failure."""
    drill = await call.services.drills.get(
        call.caller, call.group_id, call.instance_name, call.path_params["drillId"]
    )
    return Reply(body=_drill(drill))


async def get_drill_report(call: Call) -> Reply:
    """The very bytes that were written when it was signed."""
    report = await call.services.drills.report(
        call.caller, call.group_id, call.instance_name, call.path_params["drillId"]
    )
    return Reply(body=msgspec.Raw(report))


async def get_drill_key(call: Call) -> Reply:
    """The public key by which reports are checked: no secret, and of all projects."""
    key = call.services.drills.public_key
    return Reply(body=DrillKeyView(key_id=key.id, pem=key.pem))


def _drill(drill: Drill) -> DrillView:
    return DrillView(
        failure=drill.failure or UNSET,
        finished_at=drill.finished_at or UNSET,
        id=drill.id,
        instance_name=drill.instance_name,
        requested_at=drill.requested_at,
        snapshot_id=drill.snapshot_id,
        started_at=drill.started_at or UNSET,
        state=drill.state.value,
    )


_OWN = (Surface.OWN,)
_DRILLS = "/groups/{groupId}/instances/{instanceName}/drills"

ROUTES = (
    Route(
        operation_id="startDrill",
        method="POST",
        path=_DRILLS,
        handler=start_drill,
        answer=Answer(DrillView, status=201),
        body=_NewDrill,
        surfaces=_OWN,
    ),
    Route(
        operation_id="listDrills",
        method="GET",
        path=_DRILLS,
        handler=list_drills,
        answer=Answer(DrillView, is_list=True),
        surfaces=_OWN,
    ),
    Route(
        operation_id="getDrill",
        method="GET",
        path=f"{_DRILLS}/{{drillId}}",
        handler=get_drill,
        answer=Answer(DrillView),
        surfaces=_OWN,
    ),
    Route(
        operation_id="getDrillReport",
        method="GET",
        path=f"{_DRILLS}/{{drillId}}/report",
        handler=get_drill_report,
        answer=Answer(SignedReportView),
        surfaces=_OWN,
    ),
    Route(
        operation_id="getDrillKey",
        method="GET",
        path="/drillKey",
        handler=get_drill_key,
        answer=Answer(DrillKeyView),
        surfaces=_OWN,
    ),
)
