"""Settings: the one reader of the environment. Nobody below this layer reads it.

Every setting is an environment variable ``TELAMON_<NAME>``; the command line comes before it.
"""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from telamon.blobs.address import StoreCredentials, parse_address
from telamon.errors import ConfigurationError
from telamon.state.address import check_address

_PREFIX = "TELAMON_"
_TEST_PREFIX = "TELAMON_TEST_"

Port = Annotated[int, Field(ge=0, le=65535)]
Days = Annotated[int, Field(ge=1, le=36500)]
EveryDays = Annotated[int, Field(ge=0, le=3650)]
Percent = Annotated[float, Field(ge=0, le=100)]
Seconds = Annotated[int, Field(ge=0)]
Interval = Annotated[int, Field(ge=1, le=3600)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Settings(BaseSettings):
    """What ``telamon serve`` and ``telamon worker`` need to know."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        extra="ignore",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,  # a URL may hold a password where none belongs
    )

    data_dir: Path = Path("telamon-data")
    """Where everything is kept: metadata, repository, managed deployments, the master key."""
    database_url: str = Field(default="", repr=False)
    """Where the metadata is, as ``check_address`` reads it; in the data directory if empty."""
    repository_url: str = ""
    """Where the repository is, as ``parse_address`` reads it; in the data directory if empty."""
    repository_passphrase_file: Path | None = None
    """A file whose first line is the passphrase of an encrypted repository."""
    repository_key_file: Path | None = None
    """The key file of an encrypted repository."""
    host: str = "127.0.0.1"
    """The address the API listens on."""
    port: Port = 8080
    """The port the API listens on; 0 takes any free one."""
    public_url: str = ""
    """Scheme and host that links in answers start with; the request's own if empty."""
    master_key_file: Path | None = None
    """The key that secrets are sealed with; ``master.key`` in the data directory if not set."""
    mongod: Path | None = None
    """The mongod for managed instances; searched for if not set."""
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    """Networks whose ``X-Forwarded-For`` and ``-Proto`` are believed, separated by commas."""
    metrics_networks: Annotated[tuple[Network, ...], NoDecode] = (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )
    """Networks that read ``/metrics``, separated by commas; nobody shows credentials there."""
    lenient_accept: bool = False
    """Whether v2 serves requests whose ``Accept`` Atlas refuses with 406."""
    atlas_sunset_headers: bool = False
    """Whether v2 sends Atlas's ``Deprecation`` and ``Sunset`` headers."""
    atlas_sunset: Literal["ignore", "enforce"] = "ignore"
    """``enforce`` answers 410 where Atlas has switched a route off."""
    rate_limits: bool = False
    """Whether callers are held to Atlas's rates; see docs/api.md."""
    schedules: bool = True
    """Whether workers take the snapshots that schedules ask for."""
    retention: bool = True
    """Whether workers delete snapshots whose time is over."""
    drill_every_days: Annotated[int, Field(ge=0, le=36500)] = 0
    """How often workers drill the newest snapshot of each deployment; 0 is never."""
    capture_seconds: Interval = 5
    """How often workers read the oplogs of instances whose backup is continuous."""
    job_records_days: Days = 30
    """How long the job engine's records of ended jobs are kept."""
    prune_every_days: EveryDays = 7
    """How long after the last prune of the repository workers ask for one; 0 for never."""
    check_every_days: EveryDays = 7
    """The same of checks."""
    check_read_data_percent: Percent = 0.0
    """How much of the packs such a check reads."""
    stop_grace_seconds: Seconds = 10
    """How long running jobs may take to finish when the worker is told to stop."""
    heartbeat_seconds: Interval = 2
    """How often a worker tells the database that it lives."""
    lease_seconds: Interval = 10
    """After how long a silence others take up a worker's jobs; at least twice the heartbeat."""
    log_format: Literal["console", "json"] = "console"
    """How log lines look on standard error."""

    @field_validator("trusted_proxies", "metrics_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("data_dir")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        return value.absolute()  # the worker's directory, and the next server's, may be another

    @field_validator("database_url")
    @classmethod
    def _is_database(cls, value: str) -> str:
        return check_address(value) if value else value

    @field_validator("repository_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value:
            parse_address(value)
        return value

    @field_validator("public_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        return _web_address(value) if value else value

    @field_validator("lease_seconds")
    @classmethod
    def _is_longer_than_a_beat(cls, value: int, others: ValidationInfo) -> int:
        if value < 2 * others.data.get("heartbeat_seconds", 0):
            raise ValueError("must be at least twice TELAMON_HEARTBEAT_SECONDS")
        return value

    @property
    def key_file(self) -> Path:
        return self.master_key_file or self.data_dir / "master.key"

    @property
    def store_url(self) -> str:
        """The URL of the store that the repository is in."""
        return self.repository_url or (self.data_dir / "repository").as_uri()


class _AwsSettings(BaseSettings):
    """By the names that every other program which speaks S3 knows them by."""

    model_config = SettingsConfigDict(env_prefix="AWS_", extra="ignore", frozen=True)

    access_key_id: str = ""
    secret_access_key: str = Field(default="", repr=False)
    session_token: str = Field(default="", repr=False)


class ClientSettings(BaseSettings):
    """What the commands that talk to a running server need to know."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    url: str = "http://127.0.0.1:8080"
    """Where the server is."""
    public_key: str = ""
    private_key: str = Field(default="", repr=False)
    group_id: str = ""
    """The project that commands work in."""

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        return _web_address(value)


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, under ``overrides`` that are not None.

    Raises ConfigurationError, one sentence a wrong setting, also for a name nobody knows.
    """
    _refuse_unknown_names()
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        raise ConfigurationError(_sentences(error)) from error


def load_store_credentials() -> StoreCredentials:
    """What the environment has of the keys for an object store, which may be nothing."""
    return StoreCredentials(**_AwsSettings().model_dump())


def load_client_settings(**overrides: object) -> ClientSettings:
    """As ``load_settings``. Raises ConfigurationError if a key or the project is missing."""
    _refuse_unknown_names()
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = ClientSettings(**given)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        raise ConfigurationError(_sentences(error)) from error
    missing = [
        f"{_PREFIX}{name.upper()}"
        for name in ("public_key", "private_key", "group_id")
        if not getattr(settings, name)
    ]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)} must be set; telamon init prints the values."
        )
    return settings


def _refuse_unknown_names() -> None:
    known = {
        f"{_PREFIX}{name.upper()}"
        for name in (*Settings.model_fields, *ClientSettings.model_fields)
    }
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith(_PREFIX) and not name.startswith(_TEST_PREFIX) and name not in known
    )
    if unknown:
        raise ConfigurationError(f"There is no setting named {', '.join(unknown)}.")


def _web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    parts = urlsplit(value)
    if not parts.hostname:
        raise ValueError("must name a host")
    if parts.port == 0:  # reading it raises ValueError for what is no port
        raise ValueError("must not name port 0")
    return value.rstrip("/")


def _sentences(error: ValidationError) -> str:
    return " ".join(
        f"{_PREFIX}{str(problem['loc'][0]).upper()}: "
        f"{problem['msg'].removeprefix('Value error, ')}."
        for problem in error.errors()
    )
