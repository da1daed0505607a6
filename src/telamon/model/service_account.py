"""Service accounts' secrets and the tokens that they buy."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from telamon.model.access import ServiceAccount

TOKEN_LIFE = timedelta(hours=1)
SECRET_HOURS_MIN = 8
SECRET_HOURS_MAX = 8760
CLIENT_ID_PREFIX = "mdb_sa_id_"
SECRET_PREFIX = "mdb_sa_sk_"  # noqa: S105  # what every secret begins with

_CLIENT_ID = re.compile(rf"{CLIENT_ID_PREFIX}[a-fA-F\d]{{24}}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One secret of a service account, without itself: ``tail`` is how it ends."""

    id: str
    tail: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """A secret in full, which is shown once and stored nowhere."""

    secret: Secret
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedServiceAccount:
    """A service account and its secrets, oldest first."""

    account: ServiceAccount
    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewServiceAccount:
    account: ServiceAccount
    secret: NewSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token in full, which is shown once and stored nowhere."""

    value: str = field(repr=False)
    life: timedelta


def client_id_of(identifier: str) -> str:
    """The name that a service account of this id logs in with."""
    return f"{CLIENT_ID_PREFIX}{identifier}"


def is_client_id(text: str) -> bool:
    return _CLIENT_ID.fullmatch(text) is not None
