"""The data directory's metadata, and the commands that need no more than that."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import Connection

from telamon.clock import Clock, system_clock
from telamon.config import Settings
from telamon.errors import ConfigurationError, SecretUnreadable
from telamon.ids import new_id
from telamon.jobs.queue import JobQueue
from telamon.jobs.queue import migrate as migrate_jobs
from telamon.jobs.queue import require_schema as require_job_schema
from telamon.model.access import NewApiKey, RoleAssignment
from telamon.mongo.binary import find_mongod
from telamon.operations.access import Access, Beginning
from telamon.server.locks import unwritable
from telamon.state import installation
from telamon.state.access import first_organization
from telamon.state.advisory_locks import AdvisoryLock
from telamon.state.database import Database
from telamon.state.sealing import Sealer, create_master_key, read_master_key

_POLL_SECONDS = 0.2
_NONE = timedelta()
_MOST_APART = timedelta(minutes=5)  # the life of a digest nonce
_MARK = b"telamon"
_MARK_PLACE = "installation:sealed_mark:1"

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


def prepared_state(settings: Settings, clock: Clock = system_clock) -> State:
    """The data directory with everything in it that a first start has to make, but the repository.

    Raises ConfigurationError for a PostgreSQL database that ``upgrade_schema`` was not called for,
    for a clock that is not the server's, and for a master key that is missing or not the one of the
    database.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise unwritable(settings.data_dir, error) from error
    with contextlib.ExitStack() as undo:
        db = undo.enter_context(contextlib.closing(open_database(settings)))
        if db.is_shared:
            require_schema(db)
            _require_time(db, clock)
        else:
            migrate(db)
        _require_key(settings, db.look(_holds_secrets))
        state = State(db=db, sealer=_sealer(settings, db), queue=JobQueue(db.engine))
        undo.pop_all()
    return state


def open_database(settings: Settings) -> Database:
    """The database that the settings name; nothing is made or connected yet."""
    if settings.database_url:
        return Database.postgresql(settings.database_url)
    return Database.sqlite(database_path(settings))


def database_path(settings: Settings) -> Path:
    return settings.data_dir / "telamon.db"


def upgrade_schema(settings: Settings) -> None:
    """``telamon db upgrade``. Several at once wait for each other."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise unwritable(settings.data_dir, error) from error
    with contextlib.closing(open_database(settings)) as db:
        if not db.is_shared:
            migrate(db)
            return
        with _alone(db):
            migrate(db)


@contextlib.contextmanager
def _alone(db: Database) -> Iterator[None]:
    """Tried again and again: the job engine's indexes are made without locks, and for that
    PostgreSQL waits for every statement that runs, also for one that waits for a lock."""
    lock = AdvisoryLock(db.engine, "schema")
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lock.held(shared=False, wait_seconds=0))
                break
            except TimeoutError:
                time.sleep(_POLL_SECONDS)
        yield


def migrate(db: Database) -> None:
    """Bring Telamon's tables and those of the job engine to this version of the program."""
    db.migrate()
    migrate_jobs(db.engine)


def require_schema(db: Database) -> None:
    """Raises ConfigurationError unless ``migrate`` was called by this version of the program."""
    db.require_schema()
    require_job_schema(db.engine)


def require_repository(db: Database, repository_id: str) -> None:
    """Raises ConfigurationError if others on a shared database have another repository."""
    if not db.is_shared:
        return
    known = db.transact(lambda tx: installation.put_repository_id(tx, repository_id))
    if known != repository_id:
        raise ConfigurationError(
            f"TELAMON_REPOSITORY_URL leads to the repository {repository_id}, and the snapshots in "
            f"the database are in {known}: every worker on one database needs the same. telamon "
            "repository rescan changes the database to another one."
        )


def _require_time(db: Database, clock: Clock) -> None:
    """What one process writes as the future or the past, another would take for just that."""
    ahead = clock() - db.look(installation.server_time)
    if abs(ahead) > _MOST_APART:
        raise ConfigurationError(
            f"The clock of this machine is {abs(ahead)} {'ahead of' if ahead > _NONE else 'behind'} "
            "that of the database server of TELAMON_DATABASE_URL: set the one that is wrong."
        )


def _holds_secrets(tx: Connection) -> bool:
    """Whether anything was ever sealed; older versions left no mark of it."""
    return installation.sealed_mark(tx) is not None or first_organization(tx) is not None


def _require_key(settings: Settings, is_needed: bool) -> None:
    if is_needed and not settings.key_file.exists():
        database = "the database" if settings.database_url else str(database_path(settings))
        raise ConfigurationError(
            f"The master key file {settings.key_file} is missing, and {database} holds secrets "
            "sealed with it: put it back, or name it in TELAMON_MASTER_KEY_FILE."
        )


def _sealer(settings: Settings, db: Database) -> Sealer:
    try:
        create_master_key(settings.key_file)
    except OSError as error:
        raise unwritable(settings.data_dir, error) from error
    sealer = Sealer(read_master_key(settings.key_file))
    mark = db.look(installation.sealed_mark)
    if mark is None:
        db.transact(
            lambda tx: installation.put_sealed_mark(tx, sealer.seal(_MARK, place=_MARK_PLACE))
        )
        mark = db.look(installation.sealed_mark)
        assert mark is not None
    try:
        sealer.open(mark, place=_MARK_PLACE)
    except SecretUnreadable as error:
        raise ConfigurationError(
            f"The master key file {settings.key_file} (TELAMON_MASTER_KEY_FILE) is not the one that "
            "the secrets in the database are sealed with: every process on one database needs the "
            "same."
        ) from error
    return sealer


def mongod_program(settings: Settings) -> Path | None:
    """The program for managed instances; without one, attached instances work all the same."""
    try:
        return find_mongod(settings.mongod)
    except ConfigurationError as error:
        if settings.mongod is not None:
            raise
        _log.warning("no_mongod", action="find_mongod", reason=error.message)
        return None
