"""Settings from the environment and the command line."""

import ipaddress
import os
import secrets
import traceback
from pathlib import Path
from typing import Any

import pytest

from telamon.blobs.address import StoreCredentials
from telamon.config import (
    ClientSettings,
    Settings,
    load_client_settings,
    load_settings,
    load_store_credentials,
)
from telamon.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(("TELAMON_", "AWS_")):
            monkeypatch.delenv(name)


DEFAULTS: dict[str, Any] = {
    "data_dir": Path.cwd() / "telamon-data",
    "database_url": "",
    "repository_url": "",
    "repository_passphrase_file": None,
    "repository_key_file": None,
    "host": "127.0.0.1",
    "port": 8080,
    "public_url": "",
    "master_key_file": None,
    "mongod": None,
    "trusted_proxies": (),
    "metrics_networks": (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    ),
    "lenient_accept": False,
    "atlas_sunset_headers": False,
    "atlas_sunset": "ignore",
    "rate_limits": False,
    "schedules": True,
    "retention": True,
    "drill_every_days": 0,
    "capture_seconds": 5,
    "job_records_days": 30,
    "prune_every_days": 7,
    "check_every_days": 7,
    "check_read_data_percent": 0.0,
    "stop_grace_seconds": 10,
    "heartbeat_seconds": 2,
    "lease_seconds": 10,
    "log_format": "console",
}
GIVEN: list[tuple[str, str, Any]] = [
    ("data_dir", "/var/lib/telamon", Path("/var/lib/telamon")),
    ("database_url", "postgresql://u:p@db/telamon", "postgresql://u:p@db/telamon"),
    ("database_url", "postgres://db:5/x?sslmode=require", "postgres://db:5/x?sslmode=require"),
    ("repository_url", "s3://backups/prefix?region=x", "s3://backups/prefix?region=x"),
    ("repository_url", "file:///srv/backups", "file:///srv/backups"),
    ("repository_passphrase_file", "/run/words", Path("/run/words")),
    ("repository_key_file", "/run/words", Path("/run/words")),
    ("host", "::1", "::1"),
    ("port", "0", 0),
    ("public_url", "https://backup.example.com", "https://backup.example.com"),
    ("public_url", "https://backup.example.com/", "https://backup.example.com"),
    ("master_key_file", "/run/key", Path("/run/key")),
    ("mongod", "/usr/bin/mongod", Path("/usr/bin/mongod")),
    ("trusted_proxies", "", ()),
    ("metrics_networks", "", ()),
    ("metrics_networks", "10.0.0.0/8", (ipaddress.ip_network("10.0.0.0/8"),)),
    ("trusted_proxies", "10.0.0.1", (ipaddress.ip_network("10.0.0.1/32"),)),
    (
        "trusted_proxies",
        " 10.0.0.0/8, ::1 ,, ",
        (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")),
    ),
    ("lenient_accept", "true", True),
    ("atlas_sunset_headers", "1", True),
    ("atlas_sunset", "enforce", "enforce"),
    ("rate_limits", "true", True),
    ("schedules", "false", False),
    ("retention", "false", False),
    ("drill_every_days", "7", 7),
    ("job_records_days", "1", 1),
    ("capture_seconds", "2", 2),
    ("prune_every_days", "0", 0),
    ("check_every_days", "1", 1),
    ("check_read_data_percent", "12.5", 12.5),
    ("stop_grace_seconds", "0", 0),
    ("heartbeat_seconds", "1", 1),
    ("lease_seconds", "4", 4),
    ("log_format", "json", "json"),
]


def test_without_an_environment_everything_has_a_default() -> None:
    assert load_settings().model_dump() == DEFAULTS


@pytest.mark.parametrize(("name", "text", "expected"), GIVEN)
def test_the_environment_sets_it(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, expected: object
) -> None:
    monkeypatch.setenv(f"TELAMON_{name.upper()}", text)

    assert load_settings().model_dump() == {**DEFAULTS, name: expected}


def test_the_table_has_every_setting() -> None:
    assert {name for name, _, _ in GIVEN} == set(Settings.model_fields) == set(DEFAULTS)


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELAMON_PORT", "1111")
    monkeypatch.setenv("TELAMON_HOST", "127.0.0.2")

    settings = load_settings(port=2222, host=None)

    assert (settings.port, settings.host) == (2222, "127.0.0.2")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        (
            "PORT",
            "http",
            "TELAMON_PORT: Input should be a valid integer, unable to parse string as an integer.",
        ),
        ("PORT", "65536", "TELAMON_PORT: Input should be less than or equal to 65535."),
        (
            "HEARTBEAT_SECONDS",
            "0",
            "TELAMON_HEARTBEAT_SECONDS: Input should be greater than or equal to 1.",
        ),
        (
            "LEASE_SECONDS",
            "3",
            "TELAMON_LEASE_SECONDS: must be at least twice TELAMON_HEARTBEAT_SECONDS.",
        ),
        (
            "DATABASE_URL",
            "mysql://u:hush@h/d",
            "TELAMON_DATABASE_URL: must begin with postgresql://, or be empty for SQLite.",
        ),
        ("PORT", "-1", "TELAMON_PORT: Input should be greater than or equal to 0."),
        (
            "STOP_GRACE_SECONDS",
            "-1",
            "TELAMON_STOP_GRACE_SECONDS: Input should be greater than or equal to 0.",
        ),
        (
            "PUBLIC_URL",
            "backup.example.com",
            "TELAMON_PUBLIC_URL: must begin with http:// or https://.",
        ),
        ("PUBLIC_URL", "https://", "TELAMON_PUBLIC_URL: must name a host."),
        ("PUBLIC_URL", "https://[::1", "TELAMON_PUBLIC_URL: Invalid IPv6 URL."),
        (
            "LENIENT_ACCEPT",
            "perhaps",
            "TELAMON_LENIENT_ACCEPT: Input should be a valid boolean, unable to interpret input.",
        ),
        (
            "ATLAS_SUNSET",
            "later",
            "TELAMON_ATLAS_SUNSET: Input should be 'ignore' or 'enforce'.",
        ),
        (
            "REPOSITORY_URL",
            "/srv/backups",
            "TELAMON_REPOSITORY_URL: must begin with s3:// or file:///.",
        ),
        ("LOG_FORMAT", "xml", "TELAMON_LOG_FORMAT: Input should be 'console' or 'json'."),
    ],
)
def test_a_bad_value_is_a_sentence_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, sentence: str
) -> None:
    monkeypatch.setenv(f"TELAMON_{name}", text)

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    assert caught.value.message == sentence


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0-10.0.0.9"])
def test_a_bad_network_is_a_sentence_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("TELAMON_TRUSTED_PROXIES", f"127.0.0.1, {text}")

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    assert caught.value.message.startswith("TELAMON_TRUSTED_PROXIES: ")


def test_each_bad_value_has_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELAMON_PORT", "-1")
    monkeypatch.setenv("TELAMON_LOG_FORMAT", "xml")

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    assert caught.value.message == (
        "TELAMON_PORT: Input should be greater than or equal to 0. "
        "TELAMON_LOG_FORMAT: Input should be 'console' or 'json'."
    )


def test_a_bad_option_is_told_like_a_bad_variable() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(port=99999)

    assert caught.value.message == "TELAMON_PORT: Input should be less than or equal to 65535."


@pytest.mark.parametrize("load", [load_settings, load_client_settings])
def test_a_name_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch, load: Any) -> None:
    monkeypatch.setenv("TELAMON_DATADIR", "/tmp")
    monkeypatch.setenv("TELAMON_PROT", "8080")

    with pytest.raises(ConfigurationError) as caught:
        load()

    assert caught.value.message == "There is no setting named TELAMON_DATADIR, TELAMON_PROT."


def test_names_for_tests_are_nobodys_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELAMON_TEST_ANYTHING", "1")

    assert load_settings().model_dump() == DEFAULTS


def test_the_servers_and_the_clients_settings_may_share_an_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TELAMON_PRIVATE_KEY", "secret")
    monkeypatch.setenv("TELAMON_PORT", "1111")

    assert load_settings().port == 1111


def test_the_key_file_is_in_the_data_directory_unless_it_is_named(tmp_path: Path) -> None:
    assert load_settings(data_dir=tmp_path).key_file == tmp_path / "master.key"
    assert load_settings(master_key_file=tmp_path / "key").key_file == tmp_path / "key"


def test_the_repository_is_in_the_data_directory_unless_it_is_named(tmp_path: Path) -> None:
    data_dir = tmp_path / "a b"

    assert load_settings(data_dir=data_dir).store_url == f"{tmp_path.as_uri()}/a%20b/repository"
    assert load_settings(repository_url="s3://backups").store_url == "s3://backups"


def test_a_password_in_the_repositorys_url_is_not_repeated() -> None:
    password = secrets.token_hex()
    with pytest.raises(ConfigurationError) as caught:
        load_settings(repository_url=f"s3://key:{password}@backups")

    told = "".join(traceback.format_exception(caught.value))
    assert "must hold no name or password" in told
    assert password not in told


def test_keys_for_an_object_store_have_the_names_that_all_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_store_credentials() == StoreCredentials()

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "hunter3")

    credentials = load_store_credentials()
    assert credentials == StoreCredentials(
        access_key_id="AKID", secret_access_key="hunter2", session_token="hunter3"
    )
    assert "hunter" not in repr(credentials)


@pytest.fixture
def _client_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELAMON_PUBLIC_KEY", "abcdefgh")
    monkeypatch.setenv("TELAMON_PRIVATE_KEY", "secret")
    monkeypatch.setenv("TELAMON_GROUP_ID", "65f0000000000000000000b0")


@pytest.mark.usefixtures("_client_settings")
def test_a_client_needs_a_key_and_a_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELAMON_URL", "http://127.0.0.1:9999")

    assert load_client_settings() == ClientSettings(
        url="http://127.0.0.1:9999",
        public_key="abcdefgh",
        private_key="secret",
        group_id="65f0000000000000000000b0",
    )


@pytest.mark.usefixtures("_client_settings")
def test_a_client_asks_this_machine_by_default() -> None:
    assert load_client_settings().url == "http://127.0.0.1:8080"


@pytest.mark.usefixtures("_client_settings")
@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", ""])
def test_a_clients_url_has_a_scheme(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TELAMON_URL", url)

    with pytest.raises(ConfigurationError) as caught:
        load_client_settings()

    assert caught.value.message == "TELAMON_URL: must begin with http:// or https://."


@pytest.mark.usefixtures("_client_settings")
@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://x:port", "http://x:99999"])
def test_a_clients_url_can_be_read(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TELAMON_URL", url)

    with pytest.raises(ConfigurationError) as caught:
        load_client_settings()

    assert caught.value.message.startswith("TELAMON_URL: ")


@pytest.mark.usefixtures("_client_settings")
@pytest.mark.parametrize("missing", ["PUBLIC_KEY", "PRIVATE_KEY", "GROUP_ID"])
def test_what_a_client_lacks_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv(f"TELAMON_{missing}")

    with pytest.raises(ConfigurationError) as caught:
        load_client_settings()

    assert caught.value.message == (
        f"TELAMON_{missing} must be set; telamon init prints the values."
    )


def test_all_that_a_client_lacks_is_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_client_settings()

    assert caught.value.message == (
        "TELAMON_PUBLIC_KEY, TELAMON_PRIVATE_KEY, TELAMON_GROUP_ID must be set; "
        "telamon init prints the values."
    )


@pytest.mark.usefixtures("_client_settings")
def test_the_private_key_is_in_no_repr() -> None:
    assert "secret" not in repr(load_client_settings())
    assert "secret" not in str(load_client_settings())


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1


def test_a_relative_directory_is_the_same_wherever_the_process_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert load_settings(data_dir=Path("data")).data_dir == tmp_path / "data"
