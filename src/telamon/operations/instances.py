"""Protected deployments: made, attached, shown, taken away."""

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import (
    AlreadyDeleting,
    ClusterIsDeleting,
    InstanceNotFound,
    InvalidClusterName,
    TelamonError,
    TerminationProtected,
)
from telamon.ids import IdFactory
from telamon.jobs.queue import JobKind, JobQueue
from telamon.jobs.worker import Steps
from telamon.model.access import PROJECT_OWNERS, PROJECT_READERS, ApiKey
from telamon.model.instance import (
    Instance,
    InstanceChanges,
    InstanceKind,
    InstanceState,
    NewInstance,
    Provider,
    is_instance_name,
)
from telamon.model.page import Page
from telamon.mongo.connect import Deployment, probe, without_credentials
from telamon.operations.access import authorize
from telamon.operations.backup_schedules import begin_schedule
from telamon.operations.credentials import Credentials
from telamon.operations.kinds import find_of_kind, named
from telamon.operations.managed_instances import ManagedInstances
from telamon.operations.placement import Placement
from telamon.state import instances as rows
from telamon.state.database import Database

# Clients read the provider by a fixed list of names; an attached instance has none of its own.
ATTACHED_PROVIDER = Provider(backing_provider_name="AWS", region_name="US_EAST_1")
_ITEM_NAME_LETTERS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleInstance:
    """An instance and the connection string that this caller may see; None until it works."""

    instance: Instance
    connection_string: str | None = field(repr=False)


class Instances:
    """What callers can do with instances."""

    def __init__(
        self,
        db: Database,
        queue: JobQueue,
        credentials: Credentials,
        *,
        mongod: Path | None,
        clock: Clock,
        new_id: IdFactory,
        machine: str | None = None,
        lease_seconds: int = 0,
    ) -> None:
        """As ``Placement`` has ``mongod``, ``machine`` and ``lease_seconds``."""
        self._placement = Placement(
            mongod=mongod, machine=machine, on_fleet=db.is_shared, lease_seconds=lease_seconds
        )
        self._db = db
        self._queue = queue
        self._credentials = credentials
        self._clock = clock
        self._new_id = new_id

    async def create(self, caller: ApiKey, group_id: str, new: NewInstance) -> VisibleInstance:
        """A managed instance, CREATING. Raises DuplicateClusterName, FeatureUnsupported."""
        if not is_instance_name(new.name):
            raise InvalidClusterName(new.name)
        instance = self._instance(group_id, new, managed=True)

        def work(tx: Connection) -> None:
            authorize(tx, caller, group_id, PROJECT_OWNERS)
            machine = self._placement.choose(tx)
            sealed = self._credentials.seal_new_passwords(instance.id)
            rows.insert(tx, instance, sealed_credentials=sealed, machine=machine)
            self._queue.enqueue(tx, JobKind.CREATE_INSTANCE, instance.id, lock=instance.id)

        await self._db.run(work)
        return VisibleInstance(instance=instance, connection_string=None)

    async def attach(
        self,
        caller: ApiKey,
        group_id: str,
        name: str,
        uri: str,
        kind: InstanceKind = InstanceKind.SERVERLESS,
    ) -> VisibleInstance:
        """Protect a deployment that already runs. Raises DeploymentRefused if it cannot be.

        An instance of that name that has no deployment gets this one and the kind, and keeps its
        snapshots.
        """
        if not is_instance_name(name):
            raise InvalidClusterName(name)
        await self._db.read(lambda tx: authorize(tx, caller, group_id, PROJECT_OWNERS))
        deployment = await asyncio.to_thread(probe, uri)
        new = NewInstance(name=name, provider=ATTACHED_PROVIDER, kind=kind)
        instance = self._instance(
            group_id,
            new,
            managed=False,
            address=without_credentials(uri),
            deployment=deployment,
        )

        def work(tx: Connection) -> Instance:
            authorize(tx, caller, group_id, PROJECT_OWNERS)
            known = _without_deployment(tx, group_id, name)
            attached = known or instance
            sealed = self._credentials.seal_uri(attached.id, uri)
            if known is None:
                rows.insert(tx, instance, sealed_credentials=sealed)
            else:
                rows.set_deployment(
                    tx,
                    known.id,
                    kind=kind,
                    address=without_credentials(uri),
                    mongodb_version=deployment.mongodb_version,
                    sealed_credentials=sealed,
                )
            if kind is InstanceKind.DEDICATED:
                begin_schedule(
                    tx, attached.id, policy_id=self._new_id(self._clock()), at=instance.created_at
                )
            return rows.by_id(tx, attached.id)

        attached = await self._db.run(work)
        return VisibleInstance(instance=attached, connection_string=attached.address)

    async def require(self, group_id: str, name: str, kind: InstanceKind | None = None) -> None:
        """Raises what ``named`` does, for a caller whose request has yet to be read."""
        await self._db.read(lambda tx: named(tx, group_id, name, kind))

    async def get(
        self, caller: ApiKey, group_id: str, name: str, kind: InstanceKind
    ) -> VisibleInstance:
        """Raises what ``named`` does."""

        def work(tx: Connection) -> VisibleInstance:
            instance = find_of_kind(tx, caller, group_id, name, kind, roles=PROJECT_READERS)
            return self._visible(tx, caller, instance)

        seen = await self._db.read(work)
        await self._settle((seen,))
        return seen

    async def list(
        self,
        caller: ApiKey,
        group_id: str,
        kind: InstanceKind | None,
        *,
        limit: int,
        offset: int,
    ) -> Page[VisibleInstance]:
        """By name; None lists those of every kind."""

        def work(tx: Connection) -> Page[VisibleInstance]:
            authorize(tx, caller, group_id, PROJECT_READERS)
            found = rows.page(tx, group_id, limit=limit, offset=offset, kind=kind)
            return Page(
                items=tuple(self._visible(tx, caller, instance) for instance in found.items),
                total=found.total,
            )

        seen = await self._db.read(work)
        await self._settle(seen.items)
        return seen

    async def update(
        self,
        caller: ApiKey,
        group_id: str,
        name: str,
        kind: InstanceKind,
        changes: InstanceChanges,
    ) -> VisibleInstance:
        """What is changed is changed when this returns; an idle instance is shown as UPDATING once.

        Raises ClusterIsDeleting.
        """

        def work(tx: Connection) -> VisibleInstance:
            instance = find_of_kind(tx, caller, group_id, name, kind, roles=PROJECT_OWNERS)
            if instance.state is InstanceState.DELETING:
                raise ClusterIsDeleting("This cluster is currently being deleted, cannot update")
            rows.set_options(tx, changes.applied(instance))
            view = self._visible(tx, caller, rows.by_id(tx, instance.id))
            if view.instance.state is not InstanceState.IDLE:
                return view
            return replace(view, instance=replace(view.instance, state=InstanceState.UPDATING))

        return await self._db.run(work)

    async def delete(self, caller: ApiKey, group_id: str, name: str, kind: InstanceKind) -> None:
        """Begin to take an instance away. The data of an attached one is not touched.

        Raises TerminationProtected, AlreadyDeleting.
        """

        def work(tx: Connection) -> None:
            instance = find_of_kind(tx, caller, group_id, name, kind, roles=PROJECT_OWNERS)
            if instance.state is InstanceState.DELETING:
                raise AlreadyDeleting(name)
            if instance.termination_protection:
                raise TerminationProtected(
                    f"Cannot terminate cluster {name} in group {group_id} because termination "
                    "protection is enabled. Disable termination protection and try again."
                )
            rows.set_state(tx, instance.id, InstanceState.DELETING)
            self._queue.enqueue(tx, JobKind.DELETE_INSTANCE, instance.id, lock=instance.id)

        await self._db.run(work)

    async def _settle(self, seen: tuple[VisibleInstance, ...]) -> None:
        """Whoever watches for the end of an instance is shown DELETING once, then nothing."""
        leaving = [
            view.instance.id for view in seen if view.instance.state is InstanceState.DELETING
        ]
        if leaving:
            await self._db.run(lambda tx: rows.settle_deleted(tx, leaving))

    def _visible(self, tx: Connection, caller: ApiKey, instance: Instance) -> VisibleInstance:
        connection_string = None
        if instance.state in (InstanceState.IDLE, InstanceState.REPAIRING):
            connection_string = instance.address
            if (
                instance.managed
                and instance.port is not None
                and caller.holds_any(PROJECT_OWNERS, instance.group_id)
            ):
                connection_string = self._credentials.owner_uri(tx, instance)
        return VisibleInstance(instance=instance, connection_string=connection_string)

    def _instance(
        self,
        group_id: str,
        new: NewInstance,
        *,
        managed: bool,
        address: str | None = None,
        deployment: Deployment | None = None,
    ) -> Instance:
        now = self._clock()
        instance_id = self._new_id(now)
        return Instance(
            id=instance_id,
            group_id=group_id,
            kind=new.kind,
            name=new.name,
            state=InstanceState.CREATING if managed else InstanceState.IDLE,
            created_at=now,
            managed=managed,
            address=address,
            port=None,
            mongodb_version=deployment.mongodb_version if deployment else None,
            deployment_item_name=deployment_item_name(instance_id),
            provider=new.provider,
            tags=new.tags,
            termination_protection=new.termination_protection,
            continuous_backup=new.continuous_backup,
        )


class CreateInstance:
    """The job that makes a managed instance's mongod."""

    def __init__(self, db: Database, managed: ManagedInstances) -> None:
        self._db = db
        self._managed = managed

    def run(self, subject_id: str, steps: Steps) -> None:
        steps("start", lambda: self._managed.start(subject_id))

    def fail(self, subject_id: str, error: TelamonError) -> None:
        """It goes on being tried by whoever watches over managed instances."""
        del error  # the worker has logged it
        self._db.transact(lambda tx: rows.set_state(tx, subject_id, InstanceState.REPAIRING))


class DeleteInstance:
    """The job that takes away a managed instance's mongod with its data, and any one's row."""

    def __init__(self, db: Database, managed: ManagedInstances, clock: Clock) -> None:
        self._db = db
        self._managed = managed
        self._clock = clock

    def run(self, subject_id: str, steps: Steps) -> None:
        instance = self._db.look(lambda tx: rows.by_id(tx, subject_id))
        if instance.managed:
            steps("remove", lambda: self._managed.remove(subject_id))
        steps("forget", lambda: self._forget(subject_id))

    def fail(self, subject_id: str, error: TelamonError) -> None:
        """What could not be removed stays on the disk, as the log says; the instance is gone."""
        del error
        self._forget(subject_id)

    def _forget(self, instance_id: str) -> None:
        self._db.transact(lambda tx: rows.set_deleted(tx, instance_id, self._clock()))


def _without_deployment(tx: Connection, group_id: str, name: str) -> Instance | None:
    """The instance of that name, if it waits for a deployment."""
    try:
        found = rows.by_name(tx, group_id, name)
    except InstanceNotFound:
        return None
    waits = not found.has_deployment and found.state is not InstanceState.DELETING
    return found if waits else None


def deployment_item_name(instance_id: str) -> str:
    """An internal name such as Atlas gives to what runs an instance."""
    digest = hashlib.blake2s(instance_id.encode()).hexdigest()
    return f"atlas-{digest[:_ITEM_NAME_LETTERS]}"
