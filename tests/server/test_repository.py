"""The repository of a data directory, made and opened; and jobs beside a prune."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from telamon.config import Settings
from telamon.errors import (
    ConfigurationError,
    RestoreFailed,
    SecretUnreadable,
    TelamonError,
    Unavailable,
)
from telamon.jobs.worker import Steps
from telamon.repository.keys import RepositorySecret, SecretKind
from telamon.repository.prune import Prune
from telamon.repository.repository import Repository
from telamon.server.locks import RepositoryLock, never_lost
from telamon.server.repository import (
    RepositoryPlace,
    change_repository_secret,
    create_repository,
    open_existing,
    open_repository,
    own_repository,
    place_of,
    shared_repository,
)
from telamon.server.with_repository import Confirmation, WithRepository
from tests.repository.samples import FIRST, SECOND, noise, orders, read, take

T = TypeVar("T")
KEY = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"k" * 32)
OTHER = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"o" * 32)


def place(folder: Path, secret: RepositorySecret | None = None) -> RepositoryPlace:
    return place_of(Settings(data_dir=folder), secret)


def test_a_server_makes_the_repository_that_is_missing_and_finds_it_again(tmp_path: Path) -> None:
    made = open_repository(place(tmp_path))

    assert open_repository(place(tmp_path)).repository_id == made.repository_id
    assert (tmp_path / "repository" / "config").exists()


def test_a_repository_may_be_elsewhere_and_its_locks_are_in_the_data_directory(
    tmp_path: Path,
) -> None:
    elsewhere = tmp_path / "elsewhere"
    settings = Settings(data_dir=tmp_path / "data", repository_url=elsewhere.as_uri())

    open_repository(place_of(settings))
    with own_repository(place_of(settings), wait_seconds=0):
        pass

    assert (elsewhere / "config").exists()
    assert (tmp_path / "data" / "run" / "repository.lock").exists()
    assert not (tmp_path / "data" / "repository").exists()


def test_a_server_opens_no_encrypted_repository_without_its_secret(tmp_path: Path) -> None:
    create_repository(place(tmp_path, KEY))

    with pytest.raises(SecretUnreadable, match="The repository is encrypted"):
        open_repository(place(tmp_path))


def test_a_repository_is_made_once(tmp_path: Path) -> None:
    made = create_repository(place(tmp_path, KEY))

    with pytest.raises(ConfigurationError, match="There is a repository here already"):
        create_repository(place(tmp_path, OTHER))

    assert open_existing(place(tmp_path, KEY)).repository_id == made.repository_id
    assert len(list((tmp_path / "repository" / "keys").iterdir())) == 1


@pytest.mark.parametrize(
    "enter", [shared_repository, lambda it: own_repository(it, wait_seconds=0)]
)
def test_a_place_without_a_repository_is_left_as_it_is(tmp_path: Path, enter: object) -> None:
    assert callable(enter)
    with pytest.raises(ConfigurationError, match="no repository here"), enter(place(tmp_path)):
        pass

    assert list(tmp_path.iterdir()) == []


def test_who_has_the_repository_alone_sweeps_it(tmp_path: Path) -> None:
    create_repository(place(tmp_path))
    unfinished = tmp_path / "repository" / "packs" / ".x.1.0.tmp"
    unfinished.parent.mkdir()
    unfinished.write_bytes(b"half a pack")

    with (
        shared_repository(place(tmp_path)),
        pytest.raises(Unavailable),
        own_repository(place(tmp_path), wait_seconds=0),
    ):
        pass
    assert unfinished.exists()

    with own_repository(place(tmp_path), wait_seconds=0):
        pass
    assert not unfinished.exists()


def test_the_secret_of_a_repository_is_changed(tmp_path: Path) -> None:
    create_repository(place(tmp_path, KEY))

    change_repository_secret(place(tmp_path, KEY), OTHER)

    open_existing(place(tmp_path, OTHER))
    with pytest.raises(SecretUnreadable):
        open_existing(place(tmp_path, KEY))


def test_the_secret_is_changed_by_nobody_without_it(tmp_path: Path) -> None:
    create_repository(place(tmp_path, KEY))

    with pytest.raises(ConfigurationError, match="--passphrase-file or --key-file"):
        change_repository_secret(place(tmp_path), OTHER)
    with pytest.raises(SecretUnreadable):
        change_repository_secret(place(tmp_path, OTHER), OTHER)

    open_existing(place(tmp_path, KEY))


def test_two_cannot_change_the_secret_at_once(tmp_path: Path) -> None:
    create_repository(place(tmp_path, KEY))
    outcomes: list[str] = []

    def change(new: RepositorySecret) -> None:
        try:
            change_repository_secret(place(tmp_path, KEY), new)
        except TelamonError as error:
            outcomes.append(type(error).__name__)
        else:
            outcomes.append(new.value[:1].decode())

    others = [RepositorySecret(kind=SecretKind.KEY_FILE, value=n * 32) for n in (b"a", b"b")]
    threads = [threading.Thread(target=change, args=(new,)) for new in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (winner,) = [name for name in outcomes if len(name) == 1]
    value = winner.encode() * 32
    open_existing(place(tmp_path, RepositorySecret(kind=SecretKind.KEY_FILE, value=value)))


# Jobs


class _Reading:
    """A job that restores, as far as the repository is concerned."""

    def __init__(self, repository: Repository, lock: RepositoryLock) -> None:
        self._repository = repository
        self._lock = lock
        self.found: dict[str, bytes] = {}
        self.failures: list[str] = []

    def run(self, subject_id: str, steps: Steps) -> None:
        del steps
        with pytest.raises(Unavailable), self._lock.alone():
            pass
        self.found = read(self._repository, subject_id)

    def fail(self, subject_id: str, error: TelamonError) -> None:
        self.failures.append(f"{subject_id}: {error.message}")


def _steps(name: str, work: Callable[[], T]) -> T:
    raise AssertionError(name)  # the job has none


def _job(repository: Repository, folder: Path) -> tuple[_Reading, WithRepository]:
    lock = RepositoryLock(folder)
    reading = _Reading(repository, lock)
    confirmation = Confirmation(require=never_lost, require_lately=never_lost)
    return reading, WithRepository(reading, repository, lock, confirmation)


def test_a_job_holds_the_repository_while_it_runs_and_no_longer(tmp_path: Path) -> None:
    repository = create_repository(place(tmp_path))
    take(repository, FIRST, {"orders": orders(40)})
    reading, job = _job(repository, tmp_path)

    job.run(FIRST, _steps)

    assert reading.found == {"orders": b"".join(orders(40))}
    with RepositoryLock(tmp_path).alone():
        pass


def test_a_job_finds_what_a_prune_in_another_process_has_moved(tmp_path: Path) -> None:
    repository = create_repository(place(tmp_path))
    take(repository, FIRST, {"orders": orders(40), "noise": noise(40)})
    take(repository, SECOND, {"orders": orders(40)})
    reading, job = _job(repository, tmp_path)
    job.run(FIRST, _steps)  # it knows where everything is
    with own_repository(place(tmp_path), wait_seconds=0) as another:
        another.delete_snapshot(FIRST)
        result = Prune(another, max_unused_percent=0).execute()
    assert result.deleted

    job.run(SECOND, _steps)

    assert reading.found == {"orders": b"".join(orders(40))}


def test_a_job_waits_for_a_prune(tmp_path: Path) -> None:
    repository = create_repository(place(tmp_path))
    take(repository, FIRST, {"orders": orders(40)})
    reading, job = _job(repository, tmp_path)
    thread = threading.Thread(target=job.run, args=(FIRST, _steps))
    with RepositoryLock(tmp_path).alone():
        thread.start()
        assert reading.found == {}
    thread.join(60)

    assert reading.found == {"orders": b"".join(orders(40))}


def test_a_job_that_fails_is_told_so(tmp_path: Path) -> None:
    reading, job = _job(create_repository(place(tmp_path)), tmp_path)

    job.fail(FIRST, RestoreFailed("It is no use."))

    assert reading.failures == [f"{FIRST}: It is no use."]
