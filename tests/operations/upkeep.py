"""Jobs of the repository, over a repository in memory."""

from dataclasses import dataclass
from functools import partial

from telamon.blobs.memory import MemoryBlobStore
from telamon.clock import Clock
from telamon.model.repository_job import RepositoryJob, RepositoryJobKind
from telamon.operations.run_repository_job import CheckRepository, PruneRepository
from telamon.repository.repository import Repository
from telamon.state import repository_jobs as rows
from telamon.state.database import Database
from tests.repository.samples import FIRST, SECOND, keys, new_repository, orders, take
from tests.state.samples import NOW, clock

UPKEEP = "65f0000000000000000000ab"
PRUNE, CHECK = RepositoryJobKind.PRUNE, RepositoryJobKind.CHECK


def job(kind: RepositoryJobKind, **changes: object) -> RepositoryJob:
    values = {"id": UPKEEP, "requested_at": NOW, **changes}
    return RepositoryJob(kind=kind, **values)  # type: ignore[arg-type]  # as the field has it


@dataclass(frozen=True)
class Upkeep:
    """Of two snapshots one has been deleted: a pack and part of another are not needed any more."""

    db: Database
    repository: Repository

    @property
    def packs(self) -> list[str]:
        return keys(self.repository.store, "packs/")

    def ask(self, kind: RepositoryJobKind, **changes: object) -> None:
        self.db.transact(partial(rows.insert, new=job(kind, **changes)))

    def found(self, job_id: str = UPKEEP) -> RepositoryJob:
        return self.db.look(lambda tx: rows.by_id(tx, job_id))

    def pruner(self, *, db: Database | None = None, clock: Clock = clock) -> PruneRepository:
        return PruneRepository(db or self.db, self.opened(), clock)

    def checker(self, *, db: Database | None = None) -> CheckRepository:
        return CheckRepository(db or self.db, self.opened(), clock)

    def opened(self) -> Repository:
        """As another process has it."""
        return Repository.open(self.repository.store)


def upkeep(db: Database) -> Upkeep:
    repository = new_repository(MemoryBlobStore())
    take(repository, FIRST, {"orders": orders(400), "stock": orders(60, start=1000)})
    take(repository, SECOND, {"orders": orders(200), "people": orders(30, start=2000)})
    repository.delete_snapshot(FIRST)
    return Upkeep(db=db, repository=repository)
