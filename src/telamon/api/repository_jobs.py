"""Telamon's own paths of prunes and checks of the repository."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Reply, Route, Surface, Wire
from telamon.errors import InvalidAttribute
from telamon.model.repository_job import RepositoryJob, RepositoryJobKind

V = TypeVar("V", bound=Wire)


class _Kind(StrEnum):
    CHECK = "check"
    PRUNE = "prune"


class _NewRepositoryJob(Wire, kw_only=True, frozen=True):
    dry_run: bool = False
    kind: _Kind
    read_data_percent: Annotated[float, Meta(ge=0, le=100)] = 0.0


class PlannedPackView(Wire, kw_only=True, frozen=True):
    action: str
    key: str
    reason: str
    size_bytes: int
    used_bytes: int


class PlanView(Wire, kw_only=True, frozen=True):
    deleted: int
    freed_bytes: int
    kept: int
    packs: list[PlannedPackView]
    packs_left_off: int
    repacked: int
    rewritten_bytes: int


class PruneView(Wire, kw_only=True, frozen=True):
    deleted: int
    freed_bytes: int
    kept: list[str]
    written_bytes: int


class FindingView(Wire, kw_only=True, frozen=True):
    harm: str
    name: str
    part: str
    snapshots: list[str]


class CheckView(Wire, kw_only=True, frozen=True):
    chunks: int
    findings: list[FindingView]
    notes: list[str]
    packs: int
    read_bytes: int
    snapshots: int
    unneeded_chunks: int


class RepositoryJobView(Wire, kw_only=True, frozen=True):
    check: CheckView | UnsetType = UNSET
    dry_run: bool
    due_at: datetime | UnsetType = UNSET
    failure: str | UnsetType = UNSET
    findings_total: int | UnsetType = UNSET
    finished_at: datetime | UnsetType = UNSET
    id: str
    kind: str
    plan: PlanView | UnsetType = UNSET
    prune: PruneView | UnsetType = UNSET
    read_data_percent: float
    requested_at: datetime
    started_at: datetime | UnsetType = UNSET
    status: str


async def start_job(call: Call) -> Reply:
    """Queued when this answers."""
    await call.services.repository_jobs.require(call.caller)
    new = read_object(await call.read_body(), _NewRepositoryJob)
    if new.dry_run and new.kind is _Kind.CHECK:
        raise InvalidAttribute("dryRun")
    if new.read_data_percent and new.kind is _Kind.PRUNE:
        raise InvalidAttribute("readDataPercent")
    job = await call.services.repository_jobs.ask(
        call.caller,
        RepositoryJobKind(new.kind.value),
        dry_run=new.dry_run,
        read_data_percent=new.read_data_percent,
    )
    return Reply(status=201, body=_view(job))


async def list_jobs(call: Call) -> Reply:
    """Newest first; what each has planned and found is in the answer about it alone."""
    page = await call.services.repository_jobs.list(
        call.caller, limit=call.page.items_per_page, offset=call.page.offset
    )
    return call.listed([_view(job) for job in page.items], page.total)


async def get_job(call: Call) -> Reply:
    """With the plan and its reasons, or with what was found."""
    job = await call.services.repository_jobs.get(call.caller, call.path_params["repositoryJobId"])
    report = job.report
    body = msgspec.structs.replace(
        _view(job),
        check=_as(CheckView, report.check),
        plan=_as(PlanView, report.plan),
        prune=_as(PruneView, report.prune),
    )
    return Reply(body=body)


def _view(job: RepositoryJob) -> RepositoryJobView:
    return RepositoryJobView(
        dry_run=job.dry_run,
        due_at=job.due_at or UNSET,
        failure=job.failure or UNSET,
        findings_total=UNSET if job.findings is None else job.findings,
        finished_at=job.finished_at or UNSET,
        id=job.id,
        kind=job.kind.value,
        read_data_percent=job.read_data_percent,
        requested_at=job.requested_at,
        started_at=job.started_at or UNSET,
        status=job.status.value,
    )


def _as(view: type[V], found: object) -> V | UnsetType:
    """By the names of the attributes, which the two have in common."""
    return UNSET if found is None else msgspec.convert(found, view, from_attributes=True)


_OWN = (Surface.OWN,)
_JOBS = "/repository/jobs"

ROUTES = (
    Route(
        operation_id="startRepositoryJob",
        method="POST",
        path=_JOBS,
        handler=start_job,
        answer=Answer(RepositoryJobView, status=201),
        body=_NewRepositoryJob,
        surfaces=_OWN,
    ),
    Route(
        operation_id="listRepositoryJobs",
        method="GET",
        path=_JOBS,
        handler=list_jobs,
        answer=Answer(RepositoryJobView, is_list=True),
        surfaces=_OWN,
    ),
    Route(
        operation_id="getRepositoryJob",
        method="GET",
        path=f"{_JOBS}/{{repositoryJobId}}",
        handler=get_job,
        answer=Answer(RepositoryJobView),
        surfaces=_OWN,
    ),
)
