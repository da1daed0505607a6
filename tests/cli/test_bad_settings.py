"""Settings that cannot work: one sentence that names them, the exit code of the table, nothing made."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.blobs.conftest import moto, proxy
from tests.blobs.s3_proxy import S3Proxy
from tests.blobs.servers import CREDENTIALS, S3Server
from tests.blobs.test_s3 import said
from tests.cli.conftest import Shell
from tests.databases import PostgresMaker

__all__ = ["moto", "proxy"]  # fixtures

SECRET = "a-wrong-secret"
STARTS = [("serve", "--port", "0"), ("worker",)]
KEYS = {
    "AWS_ACCESS_KEY_ID": CREDENTIALS.access_key_id,
    "AWS_SECRET_ACCESS_KEY": CREDENTIALS.secret_access_key,
}


@dataclass(frozen=True)
class Wrong:
    """Settings, the code that the program ends with, and parts of its sentence."""

    settings: dict[str, str]
    code: int
    told: tuple[str, ...]


WITHOUT_SERVERS = {
    "a database of another kind": Wrong(
        {"TELAMON_DATABASE_URL": f"mysql://root:{SECRET}@127.0.0.1/telamon"},
        78,
        ("TELAMON_DATABASE_URL: must begin with postgresql://, or be empty for SQLite.",),
    ),
    "a database without a name": Wrong(
        {"TELAMON_DATABASE_URL": f"postgresql://root:{SECRET}@127.0.0.1"},
        78,
        ("TELAMON_DATABASE_URL: must name a database behind the host.",),
    ),
    "a database server that is not there": Wrong(
        {"TELAMON_DATABASE_URL": f"postgresql://root:{SECRET}@127.0.0.1:1/telamon"},
        75,
        ("The database server of TELAMON_DATABASE_URL does not answer: ", "refused"),
    ),
    "a repository of another kind": Wrong(
        {"TELAMON_REPOSITORY_URL": "gs://bucket/prefix"},
        78,
        ("TELAMON_REPOSITORY_URL: must begin with s3:// or file:///.",),
    ),
    "a bucket without keys": Wrong(
        {"TELAMON_REPOSITORY_URL": "s3://bucket/prefix", "AWS_ACCESS_KEY_ID": ""},
        78,
        ("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set", "TELAMON_REPOSITORY_URL"),
    ),
    "an object store that is not there": Wrong(
        {"TELAMON_REPOSITORY_URL": "s3://bucket/prefix?endpoint=http://127.0.0.1:1", **KEYS},
        75,
        ("TELAMON_REPOSITORY_URL: ", "http://127.0.0.1:1 does not answer: "),
    ),
    "a lease shorter than two beats": Wrong(
        {"TELAMON_LEASE_SECONDS": "3"},
        78,
        ("TELAMON_LEASE_SECONDS: must be at least twice TELAMON_HEARTBEAT_SECONDS.",),
    ),
}


@pytest.mark.parametrize("command", STARTS, ids=lambda words: words[0])
@pytest.mark.parametrize("wrong", WITHOUT_SERVERS.values(), ids=WITHOUT_SERVERS)
def test_it_is_told_in_one_sentence(shell: Shell, wrong: Wrong, command: tuple[str, ...]) -> None:
    require_told(shell, wrong, command)


@pytest.mark.parametrize("command", [("init",), *STARTS], ids=lambda words: words[0])
@pytest.mark.parametrize("folder", ["/proc", "/proc/telamon"])
def test_a_data_directory_that_nobody_can_write_is_told(
    shell: Shell, folder: str, command: tuple[str, ...]
) -> None:
    """Whoever runs the tests: nobody makes files there."""
    ended = shell.telamon(*command, "--data-dir", folder)

    assert (ended.exit_code, ended.out) == (78, "")
    require_one_sentence(ended.err, ("TELAMON_DATA_DIR",))


@pytest.fixture
def postgres_refusals(postgres: PostgresMaker) -> dict[str, Wrong]:
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS locked")
        admin.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
    parts = urlsplit(postgres.url)
    host = parts.netloc.rpartition("@")[2]
    return {
        "password": Wrong(
            {"TELAMON_DATABASE_URL": urlunsplit(parts._replace(netloc=f"locked:{SECRET}@{host}"))},
            78,
            ("TELAMON_DATABASE_URL: the database server refuses: ", 'failed for user "locked".'),
        ),
        "database": Wrong(
            {"TELAMON_DATABASE_URL": urlunsplit(parts._replace(path="/nowhere"))},
            78,
            ("TELAMON_DATABASE_URL: the database server refuses: ", '"nowhere" does not exist.'),
        ),
    }


@pytest.mark.parametrize("command", [("db", "upgrade"), *STARTS], ids=lambda words: words[0])
@pytest.mark.parametrize("what", ["password", "database"])
def test_what_the_database_server_refuses_is_told(
    shell: Shell, postgres_refusals: dict[str, Wrong], what: str, command: tuple[str, ...]
) -> None:
    require_told(shell, postgres_refusals[what], command)


@pytest.mark.parametrize("command", STARTS, ids=lambda words: words[0])
def test_a_bucket_that_is_not_there_is_told(
    shell: Shell, moto: S3Server, command: tuple[str, ...]
) -> None:
    url = f"s3://nobodys/prefix?endpoint={moto.endpoint}"
    told = ("TELAMON_REPOSITORY_URL: ", "s3://nobodys/prefix/", "there is no such bucket")

    require_told(shell, Wrong({"TELAMON_REPOSITORY_URL": url, **KEYS}, 78, told), command)


@pytest.mark.parametrize("command", STARTS, ids=lambda words: words[0])
def test_a_clock_that_an_object_store_does_not_trust_is_told(
    shell: Shell, moto: S3Server, proxy: S3Proxy, command: tuple[str, ...]
) -> None:
    proxy.answer("GET", 403, said("RequestTimeTooSkewed"))
    url = S3Server(proxy.endpoint, moto.bucket).url()
    told = ("TELAMON_REPOSITORY_URL: ", "the clock of this machine and the store's are too far")

    require_told(shell, Wrong({"TELAMON_REPOSITORY_URL": url, **KEYS}, 78, told), command)


@pytest.fixture(params=["2 hours", "-2 hours"])
def shifted(
    request: pytest.FixtureRequest, shell: Shell, postgres: PostgresMaker
) -> Iterator[Wrong]:
    """A database that is ready, and whose clock is another: a function there comes before its own."""
    place = postgres.make()
    settings = {"TELAMON_DATABASE_URL": place.address}
    assert shell.within(**settings).telamon("db", "upgrade", "--data-dir", "other").exit_code == 0
    name = urlsplit(place.address).path.strip("/")
    with psycopg.connect(place.address, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA shifted")
        admin.execute(
            "CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
            f"$$ SELECT pg_catalog.clock_timestamp() + interval '{request.param}' $$".encode()
        )
        path = "public, shifted, pg_catalog"
        admin.execute(f"ALTER DATABASE {name} SET search_path = {path}".encode())
    side = "behind" if request.param == "2 hours" else "ahead of"
    yield Wrong(
        settings,
        78,
        (
            f" {side} that of the database server of TELAMON_DATABASE_URL: set the one that is wrong",
        ),
    )
    postgres.drop(place)


@pytest.mark.parametrize("command", [("init",), *STARTS], ids=lambda words: words[0])
def test_a_clock_that_is_not_the_database_servers_is_told(
    shell: Shell, shifted: Wrong, command: tuple[str, ...]
) -> None:
    require_told(shell, shifted, command)


def require_told(shell: Shell, wrong: Wrong, command: tuple[str, ...]) -> None:
    """And nothing is left but the folder of locks."""
    data = shell.folder / "data"

    ended = shell.within(**wrong.settings).telamon(*command, "--data-dir", str(data))

    assert (ended.exit_code, ended.out) == (wrong.code, "")
    require_one_sentence(ended.err, wrong.told)
    assert SECRET not in ended.err
    assert {path.relative_to(data).parts[0] for path in data.rglob("*")} <= {"run"}


def require_one_sentence(text: str, parts: tuple[str, ...]) -> None:
    line, end, rest = text.partition("\n")
    assert (line[:9], line[-1], end, rest) == ("telamon: ", ".", "\n", ""), text
    for part in parts:
        assert part in line
