"""Token buckets, one for each set of endpoints and whoever shares it (contract section 6.3).

They are kept in the process: several API processes allow several times as much, and a restart
fills them all. That is enough for what they are for, which is to rehearse against them.
"""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from telamon.clock import Clock
from telamon.model.access import ApiKey

BUCKETS_MAX = 100_000


class Scope(StrEnum):
    """Who shares a bucket."""

    GROUP = "GROUP"
    ORG = "ORG"
    USER = "USER"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSet:
    """Endpoints that draw from one bucket: ``refill`` tokens come back in ``refill_seconds``."""

    id: str
    name: str
    scope: Scope
    capacity: int
    refill: int
    refill_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What a request found in its bucket. ``retry_after`` is None for one that may go on."""

    limit: EndpointSet
    remaining: int
    retry_after: int | None


def _set(id_: str, name: str, scope: Scope, capacity: int, refill: int) -> EndpointSet:
    return EndpointSet(
        id=id_, name=name, scope=scope, capacity=capacity, refill=refill, refill_seconds=60
    )


_ROOT = _set("root_user", "Root", Scope.USER, 300, 100)
_ORGS = _set("organizations_user", "Organizations", Scope.USER, 300, 100)
_ORG = _set("organizations_org", "Organizations", Scope.ORG, 500, 250)
_ORG_KEYS = _set("apiKeys_org", "Organization API Keys", Scope.ORG, 500, 250)
_ORG_ACCOUNTS = _set("serviceAccounts_org", "Service Accounts", Scope.ORG, 500, 250)
_GROUPS = _set("projects_user", "Projects", Scope.USER, 1200, 500)
_GROUP = _set("projects_group", "Projects", Scope.GROUP, 1200, 500)
_GROUP_LIST = _set("accessList_group", "Project Access List", Scope.GROUP, 1200, 500)
_GROUP_KEYS = _set("apiKeys_group", "Project API Keys", Scope.GROUP, 1200, 500)
_FLEX = _set("flexClusters_group", "Flex Clusters", Scope.GROUP, 1200, 500)
_BACKUPS = _set("cloudBackups_group", "Cloud Backups", Scope.GROUP, 1200, 500)
_CLUSTERS = _set("clusters_group", "Clusters", Scope.GROUP, 10_000, 5_000)

# By how a path begins; the first that fits counts. A path that none fits is not limited.
_SETS: Sequence[tuple[Callable[[str], bool], EndpointSet]] = (
    (lambda path: path == "", _ROOT),
    (lambda path: path == "/orgs", _ORGS),
    (lambda path: path.startswith("/orgs/{orgId}/apiKeys"), _ORG_KEYS),
    (lambda path: path.startswith("/orgs/{orgId}/serviceAccounts"), _ORG_ACCOUNTS),
    (lambda path: path.startswith("/orgs/"), _ORG),
    (lambda path: path in ("/groups", "/groups/byName/{groupName}"), _GROUPS),
    (lambda path: path == "/groups/{groupId}", _GROUP),
    (lambda path: path.startswith("/groups/{groupId}/accessList"), _GROUP_LIST),
    (lambda path: path.startswith("/groups/{groupId}/apiKeys"), _GROUP_KEYS),
    (lambda path: path.startswith("/groups/{groupId}/flexClusters"), _FLEX),
    (lambda path: path.startswith("/groups/{groupId}/clusters") and "/backup/" in path, _BACKUPS),
    (lambda path: path.startswith("/groups/{groupId}/clusters"), _CLUSTERS),
)


def set_of(path: str) -> EndpointSet | None:
    """The set of a route by its path below the surface."""
    return next((limit for fits, limit in _SETS if fits(path)), None)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: datetime


class RateLimits:
    """Every bucket that is not full. Not for several threads at once."""

    def __init__(self, endpoints: Iterable[tuple[str, str]], *, is_on: bool, clock: Clock) -> None:
        """``endpoints`` are method and path, below the surface, of all routes that there are."""
        self.is_on = is_on
        self._members: defaultdict[EndpointSet, list[tuple[str, str]]] = defaultdict(list)
        for method, path in endpoints:
            limit = set_of(path) if is_on else None
            if limit is not None:
                self._members[limit].append((method, path))
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str, str], _Bucket] = OrderedDict()

    def sets(self) -> Sequence[EndpointSet]:
        """Those that limit anything, by id."""
        return sorted(self._members, key=lambda limit: limit.id)

    def endpoints(self, limit: EndpointSet) -> Sequence[tuple[str, str]]:
        """Method and path of those that draw from the set's bucket."""
        return self._members[limit]

    def draw(self, path: str, caller: ApiKey, group_id: str | None) -> Draw | None:
        """Take a token for a request on the route of this path; None where nothing is limited."""
        limit = set_of(path) if self.is_on else None
        if limit is None:
            return None
        bucket = self._bucket(limit, caller, group_id)
        if bucket.tokens < 1:
            missing = (1 - bucket.tokens) * limit.refill_seconds / limit.refill
            return Draw(limit=limit, remaining=0, retry_after=math.ceil(missing))
        bucket.tokens -= 1
        return Draw(limit=limit, remaining=int(bucket.tokens), retry_after=None)

    def _bucket(self, limit: EndpointSet, caller: ApiKey, group_id: str | None) -> _Bucket:
        shared_by = {
            Scope.GROUP: group_id or "",
            Scope.ORG: caller.org_id,
            Scope.USER: caller.public_key,
        }[limit.scope]
        # The caller's organization, too: naming another's project must not empty its bucket.
        key = (limit.id, caller.org_id, shared_by)
        now = self._clock()
        bucket = self._buckets.pop(key, None) or _Bucket(limit.capacity, now)
        seconds = max(0.0, (now - bucket.filled_at).total_seconds())
        refilled = bucket.tokens + seconds * limit.refill / limit.refill_seconds
        bucket.tokens, bucket.filled_at = min(float(limit.capacity), refilled), now
        self._buckets[key] = bucket
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)  # the one that nobody drew from for longest
        return bucket
