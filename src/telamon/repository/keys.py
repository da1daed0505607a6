"""What opens an encrypted repository, and the ``keys/`` blobs that hold its keys, sealed.

The keys themselves are random and never change. Each ``keys/`` blob holds both of them under one
passphrase or key file, so another passphrase is another blob, and no data is written anew.
docs/repository-format.md has the members.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from blake3 import blake3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from telamon.errors import IntegrityError, SecretUnreadable
from telamon.repository.cipher import KEY_BYTES, Cipher, RandomBytes
from telamon.repository.record import decode_record, encode_record

KEY_PREFIX = "keys/"
_FORMAT = "telamon-key"
_VERSION = 1
_SALT_BYTES = 32
_ID_BYTES = 8
_FILE_PURPOSE = b"telamon repository key file"
# The cost that OWASP's cheat sheet on password storage names beside 2**17, 8, 1, in half the memory.
_SCRYPT = {"n": 1 << 16, "r": 8, "p": 2}
_SCRYPT_MOST = {"n": 1 << 20, "r": 32, "p": 16}


class SecretKind(StrEnum):
    """How a repository is opened."""

    PASSPHRASE = "passphrase"  # noqa: S105  # a kind, not a secret
    KEY_FILE = "key-file"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositorySecret:
    """What its owner keeps: the bytes of a passphrase (UTF-8) or of a key file (32 random ones)."""

    kind: SecretKind
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryKeys:
    """What chunks are named with, and what everything is encrypted with; None: nothing is."""

    chunk_key: bytes = field(repr=False)
    cipher: Cipher | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKeys:
    """A ``keys/`` blob, ready to be put."""

    key: str
    data: bytes = field(repr=False)


def seal_keys(
    chunk_key: bytes,
    data_key: bytes,
    secret: RepositorySecret,
    repository_id: str,
    random_bytes: RandomBytes,
) -> SealedKeys:
    """The blob from which ``secret``, and nothing else, gets both keys back."""
    salt = random_bytes(_SALT_BYTES)
    document: dict[str, Any] = {
        "format": _FORMAT,
        "version": _VERSION,
        "kind": secret.kind.value,
        "salt": salt.hex(),
    }
    if secret.kind is SecretKind.PASSPHRASE:
        document["scrypt"] = _SCRYPT
    wrapping = Cipher(_wrapping_key(document, secret), random_bytes)
    document["sealed"] = wrapping.seal(chunk_key + data_key, _place(repository_id)).hex()
    data = encode_record(document)
    return SealedKeys(key=f"{KEY_PREFIX}{blake3(data).digest(_ID_BYTES).hex()}", data=data)


def open_keys(
    key: str, data: bytes, secret: RepositorySecret, repository_id: str, random_bytes: RandomBytes
) -> tuple[bytes, bytes] | None:
    """Chunk key and data key; None if the blob under ``key`` is for another secret.

    Raises ``IntegrityError`` naming the blob if it is damaged, ``UnknownFormat`` for a later one.
    """
    what = f"The key {key}"
    document = decode_record(data, format_name=_FORMAT, versions=(_VERSION,), what=what)
    if document.get("kind") != secret.kind.value:
        return None
    try:
        wrapping = Cipher(_wrapping_key(document, secret), random_bytes)
        sealed = bytes.fromhex(document["sealed"])
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{what} is damaged: it lacks what a key must hold.") from error
    try:
        both = wrapping.open(sealed, _place(repository_id))
    except IntegrityError:
        return None
    return both[:KEY_BYTES], both[KEY_BYTES:]


def check_keys(key: str, data: bytes) -> None:
    """Prove the blob under ``key`` as far as that is possible without its secret.

    Raises as ``open_keys`` does.
    """
    decode_record(data, format_name=_FORMAT, versions=(_VERSION,), what=f"The key {key}")


def no_key_opens(secret: RepositorySecret | None) -> SecretUnreadable:
    """The error of a repository that cannot be read with what was given."""
    if secret is None:
        return SecretUnreadable(
            "The repository is encrypted: give its passphrase or key file "
            "(TELAMON_REPOSITORY_PASSPHRASE_FILE, TELAMON_REPOSITORY_KEY_FILE). "
            "Without it nothing in the repository can be read."
        )
    return SecretUnreadable(
        f"The repository cannot be opened with this {secret.kind.value.replace('-', ' ')}. "
        "Without the right one nothing in the repository can be read."
    )


def _wrapping_key(document: dict[str, Any], secret: RepositorySecret) -> bytes:
    salt = bytes.fromhex(document["salt"])
    if secret.kind is SecretKind.KEY_FILE:
        return HKDF(
            algorithm=hashes.SHA256(), length=KEY_BYTES, salt=salt, info=_FILE_PURPOSE
        ).derive(secret.value)
    cost = document["scrypt"]
    # The blob is not proven yet: whoever can write it must not be able to take all memory.
    if any(not 0 < cost[name] <= most for name, most in _SCRYPT_MOST.items()):
        raise ValueError("scrypt's cost is out of bounds")
    return Scrypt(salt=salt, length=KEY_BYTES, n=cost["n"], r=cost["r"], p=cost["p"]).derive(
        secret.value
    )


def _place(repository_id: str) -> bytes:
    return f"{KEY_PREFIX}{repository_id}".encode()
