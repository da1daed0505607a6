"""Restores of single databases and collections of dedicated clusters, on v2."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Reply, Route, Surface, Wire
from telamon.api.points_in_time import moment_members
from telamon.api.serverless_backup import OplogIncrement, PointSeconds, wanted_point
from telamon.errors import (
    InvalidAttribute,
    InvalidClusterName,
    InvalidGroupId,
    MissingAttribute,
)
from telamon.ids import is_id
from telamon.model.instance import InstanceKind, is_instance_name
from telamon.model.restore_job import DeliveryType, RestoreJob, RestoreStage
from telamon.model.restore_options import RestoreOptions
from telamon.model.selection import Existing, IndexStrategy, Selection, is_database
from telamon.operations.restore_jobs import NewRestoreJob
from telamon.operations.selecting import PlacedCollection

_KIND = InstanceKind.DEDICATED
_MOST = 100


class _IndexStrategy(StrEnum):
    ALL = "ALL"
    NONE = "NONE"
    ALL_EXCEPT_TTL = "ALL_EXCEPT_TTL"


class _WriteStrategy(StrEnum):
    CREATE_NEW = "CREATE_NEW"
    OVERWRITE_EXISTING = "OVERWRITE_EXISTING"


_INDEXES = {
    _IndexStrategy.ALL: IndexStrategy.ALL,
    _IndexStrategy.NONE: IndexStrategy.NONE,
    _IndexStrategy.ALL_EXCEPT_TTL: IndexStrategy.ALL_EXCEPT_TTL,
}
_EXISTING = {
    _WriteStrategy.CREATE_NEW: Existing.RENAME,
    _WriteStrategy.OVERWRITE_EXISTING: Existing.REPLACE,
}
_STATES = {
    RestoreStage.QUEUED: "INITIALIZING",
    RestoreStage.LOADING: "IN_PROGRESS",
    RestoreStage.SWAPPING: "FINALIZING",
    RestoreStage.FINISHED: "SUCCESSFUL",
    RestoreStage.FAILED: "FAILED",
}

# Answered by the server, sent back by clients that fill in whole objects.
_READ_ONLY = (
    "createdAt",
    "errorMessage",
    "finishedAt",
    "id",
    "indexStatus",
    "links",
    "restoredDocuments",
    "state",
    "totalDocuments",
)


class _Wanted(Wire, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A database, or a collection with its database. An empty target is the same name."""

    source_namespace: Annotated[str, Meta(min_length=1, max_length=255)]
    target_namespace: Annotated[str, Meta(max_length=255)] = ""


_Namespaces = Annotated[list[_Wanted], Meta(max_length=_MOST)]


class _NewCollectionRestoreJob(Wire, kw_only=True, frozen=True):
    collection_suffix: Annotated[str, Meta(max_length=255)] = ""
    collections: _Namespaces = field(default_factory=list)
    database_suffix: Annotated[str, Meta(max_length=255)] = ""
    databases: _Namespaces = field(default_factory=list)
    index_strategy: _IndexStrategy
    oplog_inc: OplogIncrement | UnsetType = UNSET
    oplog_ts: PointSeconds | UnsetType = UNSET
    point_in_time_utc_seconds: PointSeconds | UnsetType = field(
        default=UNSET, name="pointInTimeUTCSeconds"
    )
    snapshot_id: str | UnsetType = UNSET
    target_cluster_name: str
    target_group_id: str
    write_strategy: _WriteStrategy


class RestoredNamespace(Wire, kw_only=True, frozen=True):
    source_namespace: str
    target_namespace: str | UnsetType = UNSET


class CollectionRestoreJob(Wire, kw_only=True, frozen=True):
    collection_suffix: str | UnsetType = UNSET
    collections: list[RestoredNamespace]
    created_at: datetime
    database_suffix: str | UnsetType = UNSET
    databases: list[RestoredNamespace]
    error_message: str | UnsetType = UNSET
    finished_at: datetime | UnsetType = UNSET
    id: str
    index_strategy: str
    oplog_inc: int | UnsetType = UNSET
    oplog_ts: int | UnsetType = UNSET
    point_in_time_utc_seconds: int | UnsetType = field(default=UNSET, name="pointInTimeUTCSeconds")
    restored_documents: int
    snapshot_id: str
    state: str
    target_cluster_name: str
    target_group_id: str
    total_documents: int
    write_strategy: str


class CollectionState(Wire, kw_only=True, frozen=True):
    """``effectiveTargetNamespace`` is the name it gets, ``targetNamespace`` the one it was to have."""

    effective_target_namespace: str
    restored_documents: int
    source_namespace: str
    state: str
    target_namespace: str
    total_documents: int


async def list_jobs(call: Call) -> Reply:
    """Newest first."""
    page = await call.services.restore_jobs.of_collections.list(
        call.caller,
        call.group_id,
        call.instance_name,
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    return call.listed_jobs(page, _job)


async def create_job(call: Call) -> Reply:
    """Queued when this answers."""
    restore_jobs = call.services.restore_jobs
    await restore_jobs.require_creator(call.caller, call.group_id, call.instance_name, _KIND)
    new = _wanted(await call.read_body())
    job = await restore_jobs.create(call.caller, call.group_id, call.instance_name, new, _KIND)
    return Reply(body=_job(call, job))


async def get_job(call: Call) -> Reply:
    job = await call.services.restore_jobs.of_collections.get(
        call.caller, call.group_id, call.instance_name, call.path_params["restoreJobId"]
    )
    return Reply(body=_job(call, job))


async def list_collections(call: Call) -> Reply:
    """By name; none as long as the job is initializing. Those that the query names, if it does."""
    job, found = await call.services.restore_jobs.of_collections.collections(
        call.caller, call.group_id, call.instance_name, call.path_params["restoreJobId"]
    )
    states = [_state(job, each) for each in found]
    states = [each for each in states if _is_asked_for(call, each)]
    start = call.page.offset
    return call.listed(states[start : start + call.page.items_per_page], len(states))


async def get_collection(call: Call) -> Reply:
    job, found = await call.services.restore_jobs.of_collections.collection(
        call.caller,
        call.group_id,
        call.instance_name,
        call.path_params["restoreJobId"],
        call.path_params["sourceNamespace"],
    )
    return Reply(body=_state(job, found))


def _wanted(data: bytes) -> NewRestoreJob:
    body = read_object(data, _NewCollectionRestoreJob, read_only=_READ_ONLY)
    moment = (body.point_in_time_utc_seconds, body.oplog_ts, body.oplog_inc)
    point_in_time = None
    if any(value is not UNSET for value in moment):
        point_in_time = wanted_point(*moment)
    elif not body.snapshot_id:
        raise MissingAttribute("snapshotId")
    if body.snapshot_id and not is_id(body.snapshot_id):
        raise InvalidAttribute("snapshotId")
    if not is_id(body.target_group_id):
        raise InvalidGroupId(body.target_group_id)
    if not is_instance_name(body.target_cluster_name):
        raise InvalidClusterName(body.target_cluster_name)
    return NewRestoreJob(
        delivery_type=DeliveryType.POINT_IN_TIME if point_in_time else DeliveryType.AUTOMATED,
        snapshot_id=body.snapshot_id or "",
        point_in_time=point_in_time,
        target_group_id=body.target_group_id,
        target_cluster_name=body.target_cluster_name,
        options=RestoreOptions(selection=_selection(body)),
    )


def _selection(body: _NewCollectionRestoreJob) -> Selection:
    if not all(is_database(each.source_namespace) for each in body.databases):
        raise InvalidAttribute("databases.sourceNamespace")
    if any(is_database(each.source_namespace) for each in body.collections):
        raise InvalidAttribute("collections.sourceNamespace")
    wanted = [*body.databases, *body.collections]
    return Selection(
        namespaces=tuple(each.source_namespace for each in wanted),
        renames=tuple(
            (each.source_namespace, each.target_namespace)
            for each in wanted
            if each.target_namespace
        ),
        database_suffix=body.database_suffix,
        collection_suffix=body.collection_suffix,
        indexes=_INDEXES[body.index_strategy],
        existing=_EXISTING[body.write_strategy],
    )


def _job(_call: Call, job: RestoreJob) -> CollectionRestoreJob:
    selection = job.options.selection
    assert selection is not None
    renames = dict(selection.renames)
    databases: list[RestoredNamespace] = []
    collections: list[RestoredNamespace] = []
    for source in selection.namespaces:
        namespace = RestoredNamespace(
            source_namespace=source, target_namespace=renames.get(source, UNSET)
        )
        (databases if is_database(source) else collections).append(namespace)
    overwrites = selection.existing is Existing.REPLACE
    strategy = _WriteStrategy.OVERWRITE_EXISTING if overwrites else _WriteStrategy.CREATE_NEW
    return CollectionRestoreJob(
        collection_suffix=selection.collection_suffix or UNSET,
        collections=collections,
        created_at=job.created_at,
        database_suffix=selection.database_suffix or UNSET,
        databases=databases,
        error_message=job.failure or UNSET,
        finished_at=job.finished_at or UNSET,
        id=job.id,
        index_strategy=next(
            wire.value for wire, indexes in _INDEXES.items() if indexes is selection.indexes
        ),
        restored_documents=job.documents,
        snapshot_id=job.snapshot_id,
        state=_word(job),
        target_cluster_name=job.target_cluster_name,
        target_group_id=job.target_group_id,
        total_documents=job.documents_total,
        write_strategy=strategy.value,
        **moment_members(job),
    )


def _state(job: RestoreJob, found: PlacedCollection) -> CollectionState:
    return CollectionState(
        effective_target_namespace=str(found.place),
        restored_documents=found.restored,
        source_namespace=str(found.source.namespace),
        state=_word(job),
        target_namespace=str(found.asked),
        total_documents=found.source.documents,
    )


def _word(job: RestoreJob) -> str:
    return "CANCELED" if job.cancelled else _STATES[job.stage]


def _is_asked_for(call: Call, found: CollectionState) -> bool:
    told = {
        "sourceNamespace": found.source_namespace,
        "state": found.state,
        "targetNamespace": found.target_namespace,
    }
    return all(call.value(name) in {"", value} for name, value in told.items())


_V2 = (Surface.V2,)
_VERSIONS = (date(2025, 3, 12),)
_JOBS = "/groups/{groupId}/clusters/{instanceName}/collectionRestoreJobs"
_JOB = f"{_JOBS}/{{restoreJobId}}"

ROUTES = (
    Route(
        operation_id="listCollectionRestoreJobs",
        method="GET",
        path=_JOBS,
        handler=list_jobs,
        answer=Answer(CollectionRestoreJob, is_list=True),
        surfaces=_V2,
        versions=_VERSIONS,
        listed_addresses_only=True,
    ),
    Route(
        operation_id="createCollectionRestoreJob",
        method="POST",
        path=_JOBS,
        handler=create_job,
        answer=Answer(CollectionRestoreJob),
        body=_NewCollectionRestoreJob,
        surfaces=_V2,
        versions=_VERSIONS,
        listed_addresses_only=True,
    ),
    Route(
        operation_id="getCollectionRestoreJob",
        method="GET",
        path=_JOB,
        handler=get_job,
        answer=Answer(CollectionRestoreJob),
        surfaces=_V2,
        versions=_VERSIONS,
        listed_addresses_only=True,
    ),
    Route(
        operation_id="listRestoreJobCollections",
        method="GET",
        path=f"{_JOB}/collections",
        handler=list_collections,
        answer=Answer(CollectionState, is_list=True),
        query=("sourceNamespace", "state", "targetNamespace"),
        surfaces=_V2,
        versions=_VERSIONS,
        listed_addresses_only=True,
    ),
    Route(
        operation_id="getRestoreJobCollection",
        method="GET",
        path=f"{_JOB}/collections/{{sourceNamespace}}",
        handler=get_collection,
        answer=Answer(CollectionState),
        surfaces=_V2,
        versions=_VERSIONS,
        listed_addresses_only=True,
    ),
)
