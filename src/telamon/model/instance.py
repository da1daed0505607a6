"""The deployments that are protected."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

NAME_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9-]{0,63}"

_NAME = re.compile(NAME_PATTERN)


class InstanceKind(StrEnum):
    """Which family of the API an instance belongs to. All are real deployments, and alike inside."""

    SERVERLESS = "serverless"
    FLEX = "flex"
    """Of the paths ``flexClusters``."""
    DEDICATED = "dedicated"
    """Of the paths ``clusters``. Attached, never made."""


class InstanceState(StrEnum):
    """``stateName`` on the wire."""

    CREATING = "CREATING"
    """Its mongod is being made."""
    IDLE = "IDLE"
    """It can be used."""
    UPDATING = "UPDATING"
    """Only in the answer to a change, which is done by then: Atlas's clients wait for its end."""
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
    continuous_backup: bool = False
    """Whether its oplog is captured, so that it can be restored to any moment."""

    @property
    def has_deployment(self) -> bool:
        """Whether anybody knows where it runs, or will: one found in a repository runs nowhere."""
        return self.managed or self.address is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInstance:
    """What a caller may choose of a managed instance."""

    name: str
    provider: Provider
    kind: InstanceKind = InstanceKind.SERVERLESS
    tags: tuple[tuple[str, str], ...] = ()
    termination_protection: bool = False
    continuous_backup: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceChanges:
    """What a caller wants to be otherwise; None leaves it as it is."""

    tags: tuple[tuple[str, str], ...] | None = None
    termination_protection: bool | None = None
    continuous_backup: bool | None = None

    def applied(self, instance: Instance) -> Instance:
        return replace(
            instance,
            tags=instance.tags if self.tags is None else self.tags,
            termination_protection=_or(
                self.termination_protection, instance.termination_protection
            ),
            continuous_backup=_or(self.continuous_backup, instance.continuous_backup),
        )


def _or(wanted: bool | None, present: bool) -> bool:
    return present if wanted is None else wanted


def is_instance_name(text: str) -> bool:
    """Letters, digits and hyphens, at most 64 (contract section 7)."""
    return _NAME.fullmatch(text) is not None
