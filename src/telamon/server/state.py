"""The data directory's metadata, and the commands that need no more than that."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from telamon.clock import system_clock
from telamon.config import Settings
from telamon.errors import ConfigurationError
from telamon.ids import new_id
from telamon.jobs.queue import JobQueue
from telamon.jobs.queue import migrate as migrate_jobs
from telamon.model.access import NewApiKey, RoleAssignment
from telamon.mongo.binary import find_mongod
from telamon.operations.access import Access, Beginning
from telamon.server.locks import unwritable
from telamon.state.database import Database
from telamon.state.sealing import Sealer, create_master_key, read_master_key

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What every process needs."""

    db: Database
    sealer: Sealer
    queue: JobQueue

    @property
    def access(self) -> Access:
        return Access(self.db, self.sealer, clock=system_clock, new_id=new_id)


def initialize(settings: Settings, org_name: str, project_name: str) -> Beginning:
    """Make the data directory and the first organization, project and key."""
    state = prepared_state(settings)
    with contextlib.closing(state.db):
        return state.access.initialize(org_name, project_name)


def create_key(
    settings: Settings,
    *,
    description: str,
    roles: Sequence[RoleAssignment],
    addresses: Sequence[str],
) -> NewApiKey:
    """Another key of the organization that ``initialize`` made."""
    state = prepared_state(settings)
    with contextlib.closing(state.db):
        return state.access.create_key(
            state.access.first_organization(),
            description=description,
            roles=roles,
            access_list=addresses,
        )


def prepared_state(settings: Settings) -> State:
    """The data directory with everything in it that a first start has to make, but the repository."""
    folder = settings.data_dir
    database = database_path(settings)
    if database.exists() and not settings.key_file.exists():
        raise ConfigurationError(
            f"The master key file {settings.key_file} is missing, and {database} holds secrets "
            "sealed with it: put it back, or name it in TELAMON_MASTER_KEY_FILE."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_master_key(settings.key_file)
    except OSError as error:
        raise unwritable(folder, error) from error
    db = Database.sqlite(database)
    db.migrate()
    migrate_jobs(db.engine)
    sealer = Sealer(read_master_key(settings.key_file))
    return State(db=db, sealer=sealer, queue=JobQueue(db.engine))


def database_path(settings: Settings) -> Path:
    return settings.data_dir / "telamon.db"


def mongod_program(settings: Settings) -> Path | None:
    """The program for managed instances; without one, attached instances work all the same."""
    try:
        return find_mongod(settings.mongod)
    except ConfigurationError as error:
        if settings.mongod is not None:
            raise
        _log.warning("no_mongod", action="find_mongod", reason=error.message)
        return None
