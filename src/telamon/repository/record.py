"""Small JSON blobs with a checksum: for a person to read, and for the program to prove."""

import json
from typing import Any

from blake3 import blake3

from telamon.errors import IntegrityError, UnknownFormat


def encode_record(members: dict[str, Any]) -> bytes:
    """The blob of an object that has ``format`` and ``version`` among its members."""
    return (
        json.dumps({**members, "checksum": _checksum(members)}, indent=2, sort_keys=True).encode()
        + b"\n"
    )


def decode_record(
    blob: bytes, *, format_name: str, versions: tuple[int, ...], what: str
) -> dict[str, Any]:
    """The members. ``what`` names the blob in errors, as in "The repository's config".

    Raises ``IntegrityError`` unless every member is as it was written, and ``UnknownFormat`` for
    an unharmed blob of a version that is not in ``versions``.
    """
    try:
        members = json.loads(blob)
    except ValueError as error:
        raise IntegrityError(f"{what} is damaged: it is not JSON.") from error
    if not isinstance(members, dict):
        raise IntegrityError(f"{what} is damaged: it is no JSON object.")
    checksum = members.pop("checksum", None)
    if members.get("format") != format_name or checksum != _checksum(members):
        raise IntegrityError(f"{what} is damaged: its checksum does not match.")
    if members.get("version") not in versions:
        raise UnknownFormat(
            f"{what} has format version {members.get('version')}, which this version does not know."
        )
    return members


def _checksum(members: dict[str, Any]) -> str:
    """Over the members without the checksum, sorted, without white space."""
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return blake3(canonical.encode()).hexdigest()
