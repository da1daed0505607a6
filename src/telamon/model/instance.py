"""The deployments that are protected."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,63}")


class InstanceKind(StrEnum):
    """Which family of the API an instance belongs to."""

    SERVERLESS = "serverless"


class InstanceState(StrEnum):
    """``stateName`` on the wire."""

    CREATING = "CREATING"
    """Its mongod is being made."""
    IDLE = "IDLE"
    """It can be used."""
    REPAIRING = "REPAIRING"
    """Its mongod ended by itself and is being started again."""
    DELETING = "DELETING"
    """It is being taken away, or is gone and nobody has been told yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where Atlas would have run it. Telamon keeps the words and shows them again."""

    backing_provider_name: str
    region_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One protected deployment. Its credentials are not part of this value.

    A ``managed`` one is a mongod that Telamon runs itself on ``port``; an attached one runs
    elsewhere. ``address`` is its connection string without credentials, None until it is known.
    """

    id: str
    group_id: str
    kind: InstanceKind
    name: str
    state: InstanceState
    created_at: datetime
    managed: bool
    address: str | None
    port: int | None
    mongodb_version: str | None
    deployment_item_name: str
    provider: Provider
    tags: tuple[tuple[str, str], ...]
    termination_protection: bool


def is_instance_name(text: str) -> bool:
    """Letters, digits and hyphens, at most 64 (contract section 7)."""
    return _NAME.fullmatch(text) is not None
