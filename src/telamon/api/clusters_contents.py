"""What a snapshot of a dedicated cluster consists of. On v2 only."""

from datetime import date
from urllib.parse import quote

from telamon.api.call import Answer, Call, Link, Reply, Route, Surface, Wire
from telamon.api.clusters_backup import snapshot_path
from telamon.model.manifest import Namespace


class Named(Wire, kw_only=True, frozen=True):
    """A database, or a collection."""

    links: list[Link]
    name: str


async def list_databases(call: Call) -> Reply:
    """By name."""
    page = await call.services.snapshots.contents.databases(
        call.caller, snapshot_path(call), limit=call.page.items_per_page, offset=call.page.offset
    )
    return call.listed([_database(call, name) for name in page.items], page.total)


async def get_database(call: Call) -> Reply:
    name = call.path_params["databaseName"]
    contents = call.services.snapshots.contents
    await contents.require_database(call.caller, snapshot_path(call), name)
    return Reply(body=_database(call, name))


async def list_collections(call: Call) -> Reply:
    """By name; views and time series too."""
    page = await call.services.snapshots.contents.collections(
        call.caller,
        snapshot_path(call),
        call.path_params["databaseName"],
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    return call.listed([_collection(call, each.namespace) for each in page.items], page.total)


async def get_collection(call: Call) -> Reply:
    namespace = Namespace(call.path_params["databaseName"], call.path_params["collectionName"])
    contents = call.services.snapshots.contents
    found = await contents.collection(call.caller, snapshot_path(call), namespace)
    return Reply(body=_collection(call, found.namespace))


def _database(call: Call, name: str) -> Named:
    return Named(links=[Link(href=_url(call, name), rel="self")], name=name)


def _collection(call: Call, namespace: Namespace) -> Named:
    href = f"{_url(call, namespace.database)}/collections/{_quoted(namespace.name)}"
    return Named(links=[Link(href=href, rel="self")], name=namespace.name)


def _url(call: Call, database: str) -> str:
    snapshot_id = call.path_params["snapshotId"]
    here = f"{call.group_url}/clusters/{call.instance_name}/backup/snapshots/{snapshot_id}"
    return f"{here}/databases/{_quoted(database)}"


def _quoted(name: str) -> str:
    return quote(name, safe="")


_V2 = (Surface.V2,)
_VERSIONS = (date(2025, 3, 12),)
_CLUSTER = "/groups/{groupId}/clusters/{instanceName}"
_DATABASES = f"{_CLUSTER}/backup/snapshots/{{snapshotId}}/databases"
_DATABASE = f"{_DATABASES}/{{databaseName}}"

ROUTES = (
    Route(
        operation_id="listBackupSnapshotDatabases",
        method="GET",
        path=_DATABASES,
        handler=list_databases,
        answer=Answer(Named, is_list=True),
        surfaces=_V2,
        versions=_VERSIONS,
    ),
    Route(
        operation_id="getBackupSnapshotDatabase",
        method="GET",
        path=_DATABASE,
        handler=get_database,
        answer=Answer(Named),
        surfaces=_V2,
        versions=_VERSIONS,
    ),
    Route(
        operation_id="listSnapshotDatabaseCollections",
        method="GET",
        path=f"{_DATABASE}/collections",
        handler=list_collections,
        answer=Answer(Named, is_list=True),
        surfaces=_V2,
        versions=_VERSIONS,
    ),
    Route(
        operation_id="getSnapshotDatabaseCollection",
        method="GET",
        path=f"{_DATABASE}/collections/{{collectionName}}",
        handler=get_collection,
        answer=Answer(Named),
        surfaces=_V2,
        versions=_VERSIONS,
    ),
)
