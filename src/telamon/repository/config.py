"""The repository's ``config`` blob: what every reader and writer of it must agree on."""

from dataclasses import asdict, dataclass, field
from typing import Any

from telamon.blobs.base import BlobNotFound, BlobStore
from telamon.errors import IntegrityError, Unavailable
from telamon.repository.codec import CHUNK_KEY_BYTES
from telamon.repository.cut import CutParameters
from telamon.repository.record import decode_record, encode_record

CONFIG_KEY = "config"
REPOSITORY_ID_BYTES = 16
_FORMAT = "telamon-repository"
_PLAIN = 1
_ENCRYPTED = 2
_CIPHER = "AES-256-GCM"
_WHAT = "The repository's config"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryConfig:
    """Fixed when the repository is created."""

    repository_id: str
    """32 hexadecimal digits."""
    chunk_key: bytes | None = field(repr=False)
    """Secret of 32 bytes that chunks are named with; None: the ``keys/`` blobs have it, sealed."""
    cut: CutParameters

    @property
    def encrypted(self) -> bool:
        """Whether chunks and manifests are."""
        return self.chunk_key is None


def encode_config(config: RepositoryConfig) -> bytes:
    """The blob. A repository that is not encrypted can be read by programs from the first on."""
    members: dict[str, Any] = {
        "format": _FORMAT,
        "repository_id": config.repository_id,
        "cut": asdict(config.cut),
    }
    if config.chunk_key is None:
        members |= {"version": _ENCRYPTED, "encryption": _CIPHER}
    else:
        members |= {"version": _PLAIN, "chunk_key": config.chunk_key.hex()}
    return encode_record(members)


def decode_config(blob: bytes) -> RepositoryConfig:
    """Raises ``IntegrityError`` for anything but a config, ``UnknownFormat`` for a later one."""
    members = decode_record(blob, format_name=_FORMAT, versions=(_PLAIN, _ENCRYPTED), what=_WHAT)
    try:
        config = RepositoryConfig(
            repository_id=str(members["repository_id"]),
            chunk_key=_chunk_key(members),
            cut=CutParameters(**members["cut"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{_WHAT} lacks what it must hold.") from error
    if config.chunk_key is not None and len(config.chunk_key) != CHUNK_KEY_BYTES:
        raise IntegrityError(f"{_WHAT} holds no key of 32 bytes.")
    return config


def require_present(store: BlobStore) -> None:
    """Raise ``Unavailable`` where a repository was and is no more, as on a disk that nobody mounted."""
    try:
        store.size(CONFIG_KEY)
    except BlobNotFound as error:
        raise Unavailable(
            "The repository is not where it was: its config is not there. Is its disk mounted?"
        ) from error


def _chunk_key(members: dict[str, Any]) -> bytes | None:
    if members["version"] == _PLAIN:
        return bytes.fromhex(members["chunk_key"])
    if members["encryption"] != _CIPHER:
        raise ValueError("a cipher that nobody knows")
    return None
