"""What a restore of a part of a snapshot does otherwise than one of the whole."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, replace
from typing import Any

from bson import encode, json_util
from bson.binary import Binary
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from telamon.errors import InvalidSelection, RestoreFailed, RestoreNotPossible
from telamon.model.manifest import CollectionKind, CollectionSpec, Namespace
from telamon.model.selection import FUNCTIONS, IndexStrategy, Places
from telamon.mongo.catalog import list_collections
from telamon.mongo.connect import Client, translated
from telamon.mongo.create import expires
from telamon.mongo.elements import elements
from telamon.mongo.indexes import is_id_index
from telamon.mongo.shadow import SHADOW_PREFIX
from telamon.mongo.write import IN_MEMORY, Commands, write

Query = RawBSONDocument

_CHECKS_EVERY_SECONDS = 1.0
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a snapshot, whose place everything in the target is to leave or to keep.

    ``replaces``: what has a name that is restored to gives way. ``query``: only the documents of
    collections that match it are restored.
    """

    replaces: bool = False
    query: Query | None = None

    def require_possible(self, client: Client, specs: Sequence[CollectionSpec]) -> None:
        """Raises RestoreNotPossible for what would fail later, or take the place of what is to stay."""
        with translated(RestoreFailed):
            _require_databases(client, {spec.namespace.database for spec in specs})
            if self.query is not None:
                _require_query(client[specs[0].namespace.database], self.query)
            self.require_free(client, specs)

    def require_free(self, client: Client, specs: Iterable[CollectionSpec]) -> None:
        """Raises RestoreNotPossible naming what is there already. PyMongo's errors come out."""
        if self.replaces:
            return
        taken = taken_of(client, [spec.namespace for spec in specs])
        if taken:
            raise RestoreNotPossible(
                f"the target has {', '.join(map(str, sorted(taken)))}, which nobody asked to replace"
            )


def taken_of(client: Client, namespaces: Iterable[Namespace]) -> set[Namespace]:
    """Those of the namespaces that the deployment has. Raises PyMongo's errors.

    The server keeps the collection of stored functions when they go, so an empty one is none.
    """
    wanted = set(namespaces)
    found = set()
    for database in {namespace.database for namespace in wanted}:
        for name in list_collections(client[database]):
            namespace = Namespace(database, name)
            if namespace in wanted and not _is_empty_functions(client, namespace):
                found.add(namespace)
    return found


def names_of(client: Client, databases: Iterable[str]) -> set[Namespace]:
    """Everything that the deployment has in these databases. Raises PyMongo's errors."""
    listed = {
        Namespace(one, name) for one in set(databases) for name in list_collections(client[one])
    }
    return {name for name in listed if not _is_empty_functions(client, name)}


def read_query(text: str) -> Query:
    """A query in MongoDB's extended JSON, relaxed or canonical. Raises InvalidSelection."""
    try:
        found = json_util.loads(text)
        if isinstance(found, dict):
            return RawBSONDocument(encode(found))
    except (ValueError, TypeError, OverflowError, RecursionError, BSONError) as error:
        raise InvalidSelection(f"the query is not MongoDB's extended JSON: {error}") from error
    raise InvalidSelection("the query is not a JSON object")


def placed(spec: CollectionSpec, places: Places, indexes: IndexStrategy) -> CollectionSpec:
    """The collection as it is to be made under its name in ``places``.

    A view follows the collection that it is on. Raises RestoreFailed for a view that would have to
    look into another database, which none can.
    """
    return replace(
        spec,
        namespace=places[spec.namespace],
        options=_following(spec, places) if spec.kind is CollectionKind.VIEW else spec.options,
        indexes=tuple(index for index in spec.indexes if _is_built(index, indexes)),
    )


def keep_only(
    client: Client,
    name: str,
    spec: CollectionSpec,
    query: Query,
    *,
    uuid: Binary | None,
    check: Callable[[], None],
) -> int:
    """Delete from the collection ``name`` what the query does not match; answers how many went.

    The server itself decides what matches. What ``check`` raises ends the deletion there and comes
    out as it is; it is called now and then. Raises RestoreFailed with the server's reason.
    """
    commands = client[spec.namespace.database]
    command: dict[str, Any] = {
        "delete": name,
        "deletes": [{"q": {"$nor": [query]}, "limit": 0}],
        "writeConcern": IN_MEMORY,
    }
    if uuid is not None:
        command["collectionUUID"] = uuid
    with translated(RestoreFailed, f"{spec.namespace} could not be filtered"):
        before = _count(commands, name)
        gone = _interruptibly(client, commands, command, check)
        left = _count(commands, name)
    if left != before - gone and not expires(spec):
        raise RestoreFailed(
            f"{left} documents of {spec.namespace} are left of {before}, but {gone} were filtered out."
        )
    return gone


def _interruptibly(
    client: Client, commands: Commands, command: Mapping[str, Any], check: Callable[[], None]
) -> int:
    """Run a command that writes, in a session that is killed if ``check`` raises in the meantime."""
    with client.start_session() as session, ThreadPoolExecutor(1, "telamon-filter") as runner:
        running = runner.submit(write, commands, dict(command), session)
        while True:
            try:
                return running.result(timeout=_CHECKS_EVERY_SECONDS)
            except NotYet:
                if running.done():
                    continue
            try:
                check()
            except BaseException:
                _kill(client, session)
                raise


def _kill(client: Client, session: ClientSession) -> None:
    """The server gives up what runs in the session; its owner always may do that."""
    try:
        client.admin.command("killSessions", [session.session_id])
    except PyMongoError:
        return  # a server that does not answer has given up, too


def _count(commands: Commands, name: str) -> int:
    return int(commands.command("count", name)["n"])


def _require_query(commands: Commands, query: Query) -> None:
    """Let the server read the query before there is anything to ask."""
    nothing = f"{SHADOW_PREFIX}query"
    with translated(RestoreNotPossible, "the target does not take the query"):
        commands.command({"find": nothing, "filter": {"$nor": [query]}, "limit": 1})


def _require_databases(client: Client, wanted: set[str]) -> None:
    """A server does not take two databases whose names differ in case only."""
    there = {name.lower(): name for name in client.list_database_names()}
    for name in sorted(wanted):
        other = there.get(name.lower(), name)
        if other != name:
            raise RestoreNotPossible(
                f"the target has a database {other} and cannot have {name} too"
            )


def _is_empty_functions(client: Client, namespace: Namespace) -> bool:
    if namespace.name != FUNCTIONS:
        return False
    return client[namespace.database][FUNCTIONS].find_one() is None


def _is_built(index: bytes, strategy: IndexStrategy) -> bool:
    names = {element.name for element in elements(index)}
    if strategy is IndexStrategy.ALL or is_id_index(index) or b"clustered" in names:
        return True
    return strategy is IndexStrategy.ALL_EXCEPT_TTL and b"expireAfterSeconds" not in names


def _following(view: CollectionSpec, places: Places) -> bytes:
    """The view's options with the new name of what it is on."""
    on = Namespace(view.namespace.database, str(RawBSONDocument(view.options)["viewOn"]))
    place, moved = places[view.namespace], places.get(on)
    if moved is None:
        return view.options
    if moved.database != place.database:
        raise RestoreFailed(
            f"The view {view.namespace} cannot become {place}, since {on}, which it is on, becomes "
            f"{moved}: a view cannot look into another database."
        )
    name = moved.name.encode() + b"\x00"
    value = len(name).to_bytes(_LENGTH_BYTES, "little") + name
    (element,) = (one for one in elements(view.options) if one.name == b"viewOn")
    content = view.options[_LENGTH_BYTES : element.value] + value + view.options[element.end :]
    return (len(content) + _LENGTH_BYTES).to_bytes(_LENGTH_BYTES, "little") + content
