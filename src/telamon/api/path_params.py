"""What a path may name, before anything is looked for."""

from collections.abc import Callable, Mapping

from telamon.errors import (
    InvalidClusterName,
    InvalidDrillId,
    InvalidGroupId,
    InvalidJobId,
    InvalidOrgId,
    InvalidSnapshotId,
    TelamonError,
)
from telamon.ids import PATTERN, is_id
from telamon.model.instance import NAME_PATTERN, is_instance_name

ENCODED_SLASH = "%2F"

_SYNTAX: Mapping[str, tuple[Callable[[str], bool], type[TelamonError]]] = {
    "orgId": (is_id, InvalidOrgId),
    "groupId": (is_id, InvalidGroupId),
    "instanceName": (is_instance_name, InvalidClusterName),
    "snapshotId": (is_id, InvalidSnapshotId),
    "restoreJobId": (is_id, InvalidJobId),
    "drillId": (is_id, InvalidDrillId),
}
PATTERNS: Mapping[str, str] = {
    name: f"^{NAME_PATTERN if is_valid is is_instance_name else PATTERN}$"
    for name, (is_valid, _) in _SYNTAX.items()
}
"""The same, for documents."""

# Atlas has no words for these being malformed: what they are is not found.
_ANYTHING = frozenset(
    {
        "groupName",
        "apiUserId",
        "ipAddress",
        "entryValue",
        "clientId",
        "secretId",
        "endpointSetId",
        "databaseName",
        "collectionName",
        "sourceNamespace",
        "repositoryJobId",
    }
)


def check(path_params: Mapping[str, str]) -> None:
    """From left to right. Raises the error of the first that is malformed."""
    for name, value in path_params.items():
        if name in _ANYTHING:
            continue
        is_valid, error = _SYNTAX[name]
        if not is_valid(value):
            raise error(value)


def decoded(text: str) -> str:
    """A part of a path, in which a slash that separates nothing still stands encoded."""
    return text.replace(ENCODED_SLASH, "/")
