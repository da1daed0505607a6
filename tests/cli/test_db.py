"""``telamon db upgrade``, and starts on a PostgreSQL database that is not ready for them."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from telamon.server.state import require_schema
from tests.cli.conftest import Here, Shell
from tests.databases import NEWEST_SCHEMA, PostgresMaker
from tests.places import Place


@pytest.fixture
def place(postgres: PostgresMaker) -> Iterator[Place]:
    """An empty database."""
    made = postgres.make()
    yield made
    postgres.drop(made)


@pytest.fixture
def shared(shell: Shell, place: Place) -> Shell:
    """A shell on it."""
    return shell.within(TELAMON_DATABASE_URL=place.address)


@pytest.mark.parametrize("command", [["init"], ["serve", "--port", "0"], ["worker"]])
def test_without_its_tables_nothing_starts_and_the_command_is_named(
    shared: Shell, here: Here, command: list[str]
) -> None:
    ended = here(shared, *command, "--data-dir", str(shared.folder / "data"))

    assert (ended.exit_code, ended.out) == (78, "")
    assert ended.err == (
        f"telamon: The database has no schema, and this Telamon needs {NEWEST_SCHEMA}: "
        "run telamon db upgrade.\n"
    )


def test_upgrades_at_once_all_find_it_done(shared: Shell, place: Place) -> None:
    with ThreadPoolExecutor(3) as pool:
        ends = list(pool.map(lambda _: shared.telamon("db", "upgrade"), range(3)))

    assert [(ended.exit_code, ended.out, ended.err) for ended in ends] == [
        (0, "The database is up to date.\n", "")
    ] * 3
    with closing(place.open()) as db:
        require_schema(db)


def test_it_is_ready_after_the_upgrade_for_whoever_has_the_same_master_key(
    shared: Shell, here: Here
) -> None:
    first, second = (["--data-dir", str(shared.folder / name)] for name in ("first", "second"))
    assert here(shared, "db", "upgrade", *first).exit_code == 0
    assert here(shared, "init", *first).exit_code == 0

    without = here(shared, "key", "create", *second)
    assert without.exit_code == 78
    assert without.err == (
        f"telamon: The master key file {shared.folder}/second/master.key is missing, and the "
        "database holds secrets sealed with it: put it back, or name it in "
        "TELAMON_MASTER_KEY_FILE.\n"
    )

    other = shared.within(TELAMON_MASTER_KEY_FILE=str(_key(shared.folder)))
    wrong = here(other, "key", "create", *second)
    assert wrong.exit_code == 78
    assert "(TELAMON_MASTER_KEY_FILE) is not the one that" in wrong.err

    same = shared.within(TELAMON_MASTER_KEY_FILE=str(shared.folder / "first" / "master.key"))
    assert here(same, "key", "create", *second).exit_code == 0


def test_a_worker_with_another_repository_does_not_start(shared: Shell, here: Here) -> None:
    for arguments in (["db", "upgrade"], ["init"], ["repository", "init"]):
        assert here(shared, *arguments, "--data-dir", str(shared.folder / "one")).exit_code == 0
    same = shared.within(TELAMON_MASTER_KEY_FILE=str(shared.folder / "one" / "master.key"))
    one, other = (["--data-dir", str(shared.folder / name)] for name in ("one", "other"))
    assert here(same, "repository", "rescan", *one).exit_code == 0

    for command in (["worker"], ["serve", "--port", "0"]):
        ended = same.telamon(*command, *other)
        assert (ended.exit_code, ended.out) == (78, "")
        assert "telamon: TELAMON_REPOSITORY_URL leads to the repository" in ended.err

    assert here(same, "repository", "rescan", *other).exit_code == 0
    assert same.telamon("worker", *one).exit_code == 78


def test_sqlite_can_be_upgraded_too(shell: Shell, here: Here) -> None:
    ended = here(shell, "db", "upgrade", "--data-dir", str(shell.folder / "data"))

    assert (ended.exit_code, ended.out) == (0, "The database is up to date.\n")
    assert (shell.folder / "data" / "telamon.db").exists()


def test_a_database_that_has_no_secrets_yet_needs_no_old_master_key(
    shell: Shell, here: Here
) -> None:
    """As after an upgrade, or where the first start was killed before it made the key."""
    data_dir = ["--data-dir", str(shell.folder / "data")]
    here(shell, "db", "upgrade", *data_dir)

    assert here(shell, "init", *data_dir).exit_code == 0


def test_a_wrong_address_is_one_sentence_that_names_the_setting(shell: Shell, here: Here) -> None:
    wrong = shell.within(TELAMON_DATABASE_URL="mysql://root:hush@127.0.0.1/telamon")

    ended = here(wrong, "db", "upgrade", "--data-dir", str(shell.folder / "data"))

    assert (ended.exit_code, ended.err) == (
        78,
        "telamon: TELAMON_DATABASE_URL: must begin with postgresql://, or be empty for SQLite.\n",
    )
    assert not (shell.folder / "data").exists()


def _key(folder: Path) -> Path:
    path = folder / "other.key"
    path.write_bytes(secrets.token_bytes(32))
    path.chmod(0o600)
    return path
