"""The repository's ``config`` blob: what every reader and writer of it must agree on."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from blake3 import blake3

from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository.codec import CHUNK_KEY_BYTES
from telamon.repository.cut import CutParameters

CONFIG_KEY = "config"
REPOSITORY_ID_BYTES = 16
_FORMAT = "telamon-repository"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryConfig:
    """Fixed when the repository is created."""

    repository_id: str
    """32 hexadecimal digits."""
    chunk_key: bytes = field(repr=False)
    """Secret of 32 bytes that chunks are named with."""
    cut: CutParameters


def encode_config(config: RepositoryConfig) -> bytes:
    """The blob: JSON for a person to read, with a checksum for the program."""
    document: dict[str, object] = {
        "format": _FORMAT,
        "version": _VERSION,
        "repository_id": config.repository_id,
        "chunk_key": config.chunk_key.hex(),
        "cut": asdict(config.cut),
    }
    document["checksum"] = _checksum(document)
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def decode_config(blob: bytes) -> RepositoryConfig:
    """Raises ``IntegrityError`` for anything but a config, ``UnknownFormat`` for a later one."""
    document = _parse(blob)
    if document.get("format") != _FORMAT or document.pop("checksum", None) != _checksum(document):
        raise IntegrityError("The repository's config is damaged: its checksum does not match.")
    if document.get("version") != _VERSION:
        raise UnknownFormat(
            f"The repository has format version {document.get('version')}, "
            "which this version does not know."
        )
    try:
        config = RepositoryConfig(
            repository_id=str(document["repository_id"]),
            chunk_key=bytes.fromhex(document["chunk_key"]),
            cut=CutParameters(**document["cut"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError("The repository's config lacks what it must hold.") from error
    if len(config.chunk_key) != CHUNK_KEY_BYTES:
        raise IntegrityError("The repository's config holds no key of 32 bytes.")
    return config


def _parse(blob: bytes) -> dict[str, Any]:
    try:
        document = json.loads(blob)
    except ValueError as error:
        raise IntegrityError("The repository's config is damaged: it is not JSON.") from error
    if not isinstance(document, dict):
        raise IntegrityError("The repository's config is damaged: it is no JSON object.")
    return document


def _checksum(document: dict[str, object]) -> str:
    """Over the members without the checksum, sorted, without white space."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return blake3(canonical.encode()).hexdigest()
