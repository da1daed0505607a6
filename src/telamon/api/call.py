"""One request as a handler sees it, and what a handler answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

import msgspec

from telamon.api import paging
from telamon.api.finished_jobs import FinishedJobs
from telamon.api.paging import PageRequest, Parameters
from telamon.api.rate_limits import RateLimits
from telamon.model.access import ApiKey
from telamon.model.page import Page
from telamon.model.restore_job import RestoreJob
from telamon.operations.access import Access
from telamon.operations.administration import Administration
from telamon.operations.continuous_backup import ContinuousBackup
from telamon.operations.download_files import DownloadFiles
from telamon.operations.drills import Drills
from telamon.operations.instances import Instances
from telamon.operations.metrics import Metrics
from telamon.operations.repository_jobs import RepositoryJobs
from telamon.operations.restore_jobs import RestoreJobs
from telamon.operations.snapshots import Snapshots


class Surface(Enum):
    """The families of paths. A value is the prefix of its paths."""

    V1 = "/api/atlas/v1.0"
    """Atlas's unversioned API: plain JSON."""
    V2 = "/api/atlas/v2"
    """Atlas's API of dated resource versions."""
    OWN = "/api/telamon/v1"
    """What Atlas has no path for."""
    PRIVATE = "/api/private"
    """What Atlas's own clients call and its documents leave out: plain JSON, no versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The operations behind the API."""

    access: Access
    administration: Administration
    instances: Instances
    snapshots: Snapshots
    restore_jobs: RestoreJobs
    download_files: DownloadFiles
    drills: Drills
    metrics: Metrics
    repository_jobs: RepositoryJobs
    continuous_backup: ContinuousBackup


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request of a known caller on an existing route, its path and query in order.

    ``base_url`` is scheme, host and the surface's prefix; links are made of it. ``address`` is where
    the caller comes from.
    """

    services: Services
    limits: RateLimits
    finished_jobs: FinishedJobs
    route: "Route"
    caller: ApiKey
    address: str
    surface: Surface
    path_params: Mapping[str, str]
    parameters: Parameters
    page: PageRequest
    base_url: str
    path: str
    now: datetime
    read_body: Callable[[], Awaitable[bytes]]

    @property
    def administration(self) -> Administration:
        return self.services.administration

    @property
    def org_id(self) -> str:
        return self.path_params["orgId"]

    @property
    def group_id(self) -> str:
        return self.path_params["groupId"]

    @property
    def instance_name(self) -> str:
        return self.path_params["instanceName"]

    @property
    def root_url(self) -> str:
        """Scheme and host."""
        return self.base_url.removesuffix(self.surface.value)

    @property
    def group_url(self) -> str:
        """Where the group is."""
        return f"{self.base_url}/groups/{self.group_id}"

    def values(self, name: str) -> list[str]:
        """What the query gives a parameter of the route's own, which has to declare it."""
        assert name in self.route.query, name
        return [value for key, value in self.parameters if key == name]

    def value(self, name: str) -> str:
        """As ``values``, the one that counts; empty if it is absent."""
        return next(iter(self.values(name)), "")

    def listed_jobs(
        self, page: Page[RestoreJob], rendered: "Callable[[Call, RestoreJob], Wire]"
    ) -> "Reply":
        """As ``listed``, of restore jobs."""
        results = self.finished_jobs.listed(
            page.items,
            place=f"{self.base_url}{self.path}",
            now=self.now,
            rendered=lambda job: rendered(self, job),
        )
        return self.listed(results, page.total)

    def listed(self, results: Sequence[object], total: int) -> "Reply":
        """A page of a list that has ``total`` items in all."""
        body: dict[str, object] = {
            "links": paging.links(
                f"{self.base_url}{self.path}",
                self.parameters,
                self.page,
                total,
                has_next=False,
            ),
            "results": results,
        }
        if self.page.include_count:
            body["totalCount"] = total
        return Reply(body=body, is_list=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A status and a body that msgspec can encode; keys in the order of the wire.

    With status 204 there is none. ``headers`` come beside those that every answer has.
    """

    status: int = 200
    body: object = None
    is_list: bool = False
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Call], Awaitable[Reply]]


Body = type[msgspec.Struct] | type[list[Any]] | None
"""What a request brings: a struct, a list of structs, or nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a success has: ``body`` is the type of its body, or of each item if it is a list.

    Without one the body is ``{}``; with status 204 there is none.
    """

    body: type[msgspec.Struct] | None = None
    status: int = 200
    is_list: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation of the API: where it is, and what is asked of a request before it runs.

    ``path`` is what follows the surface's prefix. ``versions`` are the v2 dates of the resource,
    oldest first. ``listed_addresses_only`` marks what Atlas serves only to addresses on an access
    list. ``sunset`` is the day on which Atlas switched it off.

    For documents there are ``answer``, None of what is always refused, ``answer_v1`` where version
    1.0 differs, ``body``, and ``query``: the names of parameters that not every route has.
    """

    operation_id: str
    method: str
    path: str
    handler: Handler
    answer: Answer | None
    answer_v1: Answer | None = None
    body: Body = None
    query: tuple[str, ...] = ()
    surfaces: tuple[Surface, ...] = (Surface.V1, Surface.V2)
    versions: tuple[date, ...] = (date(2023, 1, 1),)
    listed_addresses_only: bool = False
    sunset: date | None = None


class Wire(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """A body in camel case. Fields are declared in the alphabetical order of their wire names."""


class Link(Wire, kw_only=True, frozen=True):
    href: str
    rel: str


def related(resource: str) -> str:
    """The ``rel`` of a link to another kind of resource."""
    return f"https://cloud.mongodb.com/{resource}"
