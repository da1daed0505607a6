"""The catalogue made again from a repository, on a real database and a real disk."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.blobs.local import LocalBlobStore
from telamon.errors import ConfigurationError, DeploymentUnavailable, DuplicateClusterName
from telamon.ids import created_at, new_id
from telamon.jobs.queue import JobQueue
from telamon.jobs.queue import migrate as migrate_jobs
from telamon.model.access import Organization
from telamon.model.instance import InstanceState, is_instance_name
from telamon.model.manifest import (
    CollectionKind,
    CollectionSpec,
    Consistency,
    Manifest,
    Namespace,
    StoredCollection,
)
from telamon.model.snapshot import SnapshotStatus, SnapshotType
from telamon.operations.credentials import Credentials
from telamon.operations.instances import Instances
from telamon.operations.rescan import Rescan, RescanReport
from telamon.repository.repository import Repository
from telamon.state import access, instances, snapshot_collections, snapshots
from telamon.state.database import Database
from telamon.state.sealing import Sealer
from telamon.state.tables import metadata
from tests.conftest import Mongod
from tests.databases import Maker, on_sqlite, opened, templates
from tests.places import Place
from tests.repository.samples import counting_bytes, flip, manifest, replace_blob
from tests.state.samples import (
    GROUP,
    INSTANCE,
    NOW,
    OTHER_GROUP,
    SECOND_INSTANCE,
    api_key,
    clock,
    insert_instance,
    insert_snapshot,
)

pytestmark = on_sqlite

ORG = "65f0000000000000000000f1"
FIRST = "65f0000000000000000000d1"
SECOND = "65f0000100000000000000d2"
THIRD = "65f0000200000000000000d3"
LATER = NOW + timedelta(days=400)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(LocalBlobStore(tmp_path / "repository"), counting_bytes)


@pytest.fixture(scope="module")
def initialized(maker: Maker) -> Iterator[Place]:
    with templates(maker, initialize) as place:
        yield place


def initialize(place: Place) -> None:
    with closing(place.open()) as db:
        db.migrate()
        migrate_jobs(db.engine)
        organization = Organization(id=ORG, name="New", created_at=NOW, requires_access_list=True)
        db.transact(lambda tx: access.insert_organization(tx, organization))


@pytest.fixture
def db(maker: Maker, initialized: Place) -> Iterator[Database]:
    """As after ``telamon init``: an organization, and nothing of what the repository knows."""
    with opened(maker, initialized) as db:
        yield db


@pytest.fixture
def lived(maker: Maker, prepared_database: Place) -> Iterator[Database]:
    """One with projects that have been used."""
    with opened(maker, prepared_database) as db:
        yield db


def commit(
    repository: Repository,
    snapshot_id: str,
    *,
    group_id: str = GROUP,
    instance_id: str = INSTANCE,
    name: str = "shop",
) -> Manifest:
    made = replace(
        manifest(snapshot_id, []), group_id=group_id, instance_id=instance_id, instance_name=name
    )
    with repository.begin() as writer:
        writer.commit(made)
    return made


def rescan(db: Database, repository: Repository) -> RescanReport:
    return Rescan(db, repository, clock=lambda: LATER).run()


def rows(db: Database) -> dict[str, set[str]]:
    """Every row of Telamon's tables."""

    def work(tx: Connection) -> dict[str, set[str]]:
        return {
            table.name: {repr(row) for row in tx.execute(sa.select(table))}
            for table in metadata.sorted_tables
        }

    return db.look(work)


def test_a_snapshot_gets_its_project_its_instance_and_its_row(
    db: Database, repository: Repository
) -> None:
    made = commit(repository, SECOND)

    report = rescan(db, repository)

    assert (report.projects, report.snapshots, report.damaged) == ((GROUP,), (SECOND,), ())
    (found,) = report.instances
    assert (found.instance_id, found.group_id, found.name) == (INSTANCE, GROUP, "shop")
    project = db.look(lambda tx: access.find_project(tx, GROUP))
    assert project is not None
    assert (project.org_id, project.created_at) == (ORG, created_at(GROUP))
    instance = db.look(lambda tx: instances.by_name(tx, GROUP, "shop"))
    assert (instance.id, instance.state) == (INSTANCE, InstanceState.IDLE)
    assert (instance.managed, instance.address, instance.has_deployment) == (False, None, False)
    snapshot = db.look(lambda tx: snapshots.by_id(tx, SECOND))
    assert (snapshot.status, snapshot.failure) == (SnapshotStatus.COMPLETED, None)
    assert (snapshot.instance_id, snapshot.group_id) == (INSTANCE, GROUP)
    assert snapshot.snapshot_type is SnapshotType.ON_DEMAND
    assert snapshot.requested_at == created_at(SECOND)
    assert made.cluster_time is not None
    assert snapshot.taken_at == datetime.fromtimestamp(made.cluster_time.seconds, UTC)
    assert snapshot.finished_at == made.taken_at
    assert snapshot.cluster_time == made.cluster_time
    assert snapshot.consistency == made.consistency
    assert snapshot.mongodb_version == made.mongodb_version
    assert (snapshot.documents, snapshot.size_bytes) == (made.documents, made.size_bytes)


def contents(db: Database, snapshot_id: str) -> list[tuple[str, int]]:
    page = db.look(lambda tx: snapshot_collections.page(tx, snapshot_id, "shop", limit=9, offset=0))
    return [(each.namespace.name, each.documents) for each in page.items]


@pytest.fixture
def with_orders(repository: Repository) -> Manifest:
    """A snapshot with one collection is in the repository."""
    spec = CollectionSpec(
        namespace=Namespace("shop", "orders"),
        kind=CollectionKind.COLLECTION,
        options=b"",
        indexes=(),
        uuid=None,
    )
    made = replace(manifest(SECOND, []), collections=(StoredCollection(spec=spec, chunks=()),))
    with repository.begin() as writer:
        writer.commit(made)
    return made


@pytest.mark.usefixtures("with_orders")
def test_a_snapshot_gets_the_rows_of_what_it_consists_of(
    db: Database, repository: Repository
) -> None:
    rescan(db, repository)

    assert contents(db, SECOND) == [("orders", 0)]


@pytest.mark.usefixtures("with_orders")
def test_a_snapshot_that_is_known_gets_them_if_it_has_none(
    db: Database, repository: Repository
) -> None:
    rescan(db, repository)

    def forget(tx: Connection) -> None:
        tx.execute(sa.text("DELETE FROM snapshot_collection"))
        tx.execute(sa.text("UPDATE snapshot SET collections = NULL"))

    db.transact(forget)

    report = rescan(db, repository)

    assert (report.snapshots, report.known_snapshots) == ((), 1)
    assert contents(db, SECOND) == [("orders", 0)]


def test_a_snapshot_of_a_standalone_is_found_without_a_cluster_time(
    db: Database, repository: Repository
) -> None:
    made = replace(
        manifest(FIRST, []), consistency=Consistency.NONE, cluster_time=None, instance_name="shop"
    )
    with repository.begin() as writer:
        writer.commit(made)

    assert rescan(db, repository).snapshots == (FIRST,)

    snapshot = db.look(lambda tx: snapshots.by_id(tx, FIRST))
    assert (snapshot.cluster_time, snapshot.consistency) == (None, Consistency.NONE)
    assert snapshot.taken_at == made.taken_at


def test_no_snapshot_expires_by_being_found(db: Database, repository: Repository) -> None:
    commit(repository, FIRST)

    rescan(db, repository)

    snapshot = db.look(lambda tx: snapshots.by_id(tx, FIRST))
    assert snapshot.expires_at == LATER + timedelta(days=35)


def test_snapshots_come_in_their_own_order(db: Database, repository: Repository) -> None:
    for snapshot_id in (SECOND, FIRST, THIRD):
        commit(repository, snapshot_id)

    report = rescan(db, repository)

    page = db.look(lambda tx: snapshots.page(tx, INSTANCE, limit=10, offset=0))
    assert [found.id for found in page.items] == [THIRD, SECOND, FIRST]
    assert len(report.instances) == 1


def test_a_second_rescan_changes_nothing(db: Database, repository: Repository) -> None:
    commit(repository, FIRST)
    commit(repository, SECOND, group_id=OTHER_GROUP, instance_id=SECOND_INSTANCE)
    rescan(db, repository)
    before = rows(db)

    report = Rescan(db, repository, clock=clock).run()

    assert (report.projects, report.instances, report.snapshots) == ((), (), ())
    assert report.known_snapshots == 2
    assert rows(db) == before


def test_what_is_in_the_database_stays_as_it_is(lived: Database, repository: Repository) -> None:
    insert_instance(lived, name="renamed", termination_protection=True)
    insert_snapshot(lived, id=FIRST)
    before = rows(lived)
    commit(repository, FIRST)
    commit(repository, SECOND)

    report = rescan(lived, repository)

    assert (report.projects, report.instances, report.snapshots) == ((), (), (SECOND,))
    after = rows(lived)
    for table in before:
        assert before[table] <= after[table]
    assert lived.look(lambda tx: snapshots.by_id(tx, FIRST)).status is SnapshotStatus.QUEUED
    assert lived.look(lambda tx: snapshots.by_id(tx, SECOND)).instance_name == "renamed"


def test_a_damaged_manifest_is_named_and_the_others_are_found(
    db: Database, repository: Repository
) -> None:
    for snapshot_id in (FIRST, SECOND, THIRD):
        commit(repository, snapshot_id)
    key = f"snapshots/{SECOND}"
    replace_blob(repository.store, key, flip(repository.store.get(key), -1))

    report = rescan(db, repository)

    assert report.snapshots == (THIRD, FIRST)
    (sentence,) = report.damaged
    assert sentence.startswith(f"The manifest of snapshot {SECOND} is damaged")


def test_of_two_instances_of_one_name_the_later_one_has_it(
    db: Database, repository: Repository
) -> None:
    """The first was deleted before the second was made; nobody can tell from manifests."""
    commit(repository, FIRST, instance_id=INSTANCE)
    commit(repository, SECOND, instance_id=SECOND_INSTANCE)

    report = rescan(db, repository)

    later, earlier = report.instances
    assert (later.instance_id, later.name) == (SECOND_INSTANCE, "shop")
    assert (earlier.instance_id, earlier.name) == (INSTANCE, f"shop-{INSTANCE}")
    assert earlier.known_as == "shop"


def test_a_name_that_is_taken_by_now_is_left_to_its_owner(
    lived: Database, repository: Repository
) -> None:
    long = "x" * 64
    insert_instance(lived, id=SECOND_INSTANCE, name=long)
    commit(repository, FIRST, name=long)

    (found,) = rescan(lived, repository).instances

    assert found.name == f"{'x' * 39}-{INSTANCE}"
    assert is_instance_name(found.name) is True


def test_before_init_there_is_nowhere_to_put_projects(maker: Maker, repository: Repository) -> None:
    with opened(maker) as db:
        db.migrate()
        with pytest.raises(ConfigurationError, match="telamon init"):
            rescan(db, repository)


def test_progress_ends_at_the_whole(db: Database, repository: Repository) -> None:
    commit(repository, FIRST)
    commit(repository, SECOND)
    told: list[tuple[int, int]] = []

    Rescan(db, repository, clock=clock).run(lambda done, total: told.append((done, total)))

    assert told == [(1, 2), (2, 2)]


class _KilledError(BaseException):
    """The process ends here."""


def test_killed_after_any_snapshot_the_next_rescan_does_the_rest(
    db: Database, repository: Repository
) -> None:
    ids = [FIRST, SECOND, THIRD]
    for number, snapshot_id in enumerate(ids):
        commit(repository, snapshot_id, instance_id=f"65f0000000000000000000c{number}")

    def kill(done: int, _total: int) -> None:
        if done == 2:
            raise _KilledError

    with pytest.raises(_KilledError):
        Rescan(db, repository, clock=clock).run(kill)
    report = rescan(db, repository)

    assert (report.known_snapshots, report.snapshots) == (2, (FIRST,))
    assert db.look(snapshots.completed_ids) == tuple(ids)


# What can be done with what was found


def _credentials() -> Credentials:
    return Credentials(Sealer(bytes(32)))


def _instances(db: Database) -> Instances:
    return Instances(
        db, JobQueue(db.engine), _credentials(), mongod=None, clock=clock, new_id=new_id
    )


def test_an_instance_that_was_found_has_no_deployment_and_says_so(
    db: Database, repository: Repository
) -> None:
    commit(repository, FIRST)
    rescan(db, repository)
    instance = db.look(lambda tx: instances.by_id(tx, INSTANCE))

    with pytest.raises(DeploymentUnavailable) as refused:
        db.look(lambda tx: _credentials().uri(tx, instance))

    assert refused.value.message == (
        "The instance shop has no deployment: all that is known of it is what its snapshots say. "
        "telamon instance attach shop --uri URI gives it one."
    )


def test_attaching_under_its_name_gives_it_a_deployment_and_changes_nothing_else(
    db: Database, repository: Repository, source: Mongod
) -> None:
    commit(repository, FIRST)
    rescan(db, repository)
    caller = api_key(org_id=ORG)
    operation = _instances(db)

    attached = asyncio.run(operation.attach(caller, GROUP, "shop", source.uri))

    assert attached.instance.id == INSTANCE
    assert attached.instance.address is not None
    assert "very secret" not in attached.instance.address
    assert attached.instance.has_deployment is True
    assert attached.instance.created_at == created_at(INSTANCE)
    assert db.look(lambda tx: _credentials().uri(tx, attached.instance)) == source.uri
    page = db.look(lambda tx: snapshots.page(tx, INSTANCE, limit=10, offset=0))
    assert [found.id for found in page.items] == [FIRST]


def test_an_instance_that_has_a_deployment_keeps_it(
    db: Database, repository: Repository, source: Mongod
) -> None:
    commit(repository, FIRST)
    rescan(db, repository)
    caller = api_key(org_id=ORG)
    operation = _instances(db)
    asyncio.run(operation.attach(caller, GROUP, "shop", source.uri))

    with pytest.raises(DuplicateClusterName):
        asyncio.run(operation.attach(caller, GROUP, "shop", source.uri))
