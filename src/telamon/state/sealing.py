"""Secrets at rest: AES-256-GCM under a master key that is never in the database.

A sealed value is bound to its place (table, column, row): moved to another row, it does not open.

==========  ======  =====================================================
offset      length  content
==========  ======  =====================================================
0           1       key id, 1
1           12      nonce, random
13          n + 16  ciphertext and tag; the place is the associated data
==========  ======  =====================================================
"""

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from telamon.errors import ConfigurationError, SecretUnreadable

_KEY_ID = b"\x01"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_SUFFIX_BYTES = 4
_OTHERS = 0o077


class Sealer:
    """Seals and opens values under one master key of 32 bytes."""

    def __init__(self, master_key: bytes) -> None:
        self._master_key = master_key
        self._cipher = AESGCM(master_key)

    def seal(self, value: bytes, *, place: str) -> bytes:
        """``value`` encrypted for ``place``; twice the same value gives two different results."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _KEY_ID + nonce + self._cipher.encrypt(nonce, value, place.encode())

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """What was sealed for ``place``. Raises SecretUnreadable, naming the place."""
        start = len(_KEY_ID) + _NONCE_BYTES
        try:
            if sealed[: len(_KEY_ID)] != _KEY_ID:
                raise InvalidTag
            return self._cipher.decrypt(
                sealed[len(_KEY_ID) : start], sealed[start:], place.encode()
            )
        except (InvalidTag, ValueError) as error:
            raise SecretUnreadable(
                f"The sealed value {place} cannot be opened: the master key is not the one it was "
                "sealed with, or the row was changed."
            ) from error

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose (HKDF, RFC 5869)."""
        return HKDF(
            algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=None, info=purpose.encode()
        ).derive(self._master_key)


def create_master_key(path: Path) -> None:
    """Make a new key file that only its owner can read. An existing one is left alone.

    Of several callers at once one makes it, and all find the same.
    """
    if path.exists():
        return
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(_SUFFIX_BYTES)}.tmp")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)  # unlike a rename, it never takes another's place
    finally:
        unfinished.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_master_key(path: Path) -> bytes:
    """The key in a file. Raises ConfigurationError if it is missing, damaged or open to others."""
    try:
        mode = path.stat().st_mode
        key = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The master key file {path} cannot be read: {error.strerror}."
        ) from error
    if mode & _OTHERS:
        raise ConfigurationError(f"The master key file {path} can be read by others: chmod 600 it.")
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(
            f"The master key file {path} has {len(key)} bytes; it must have {_KEY_BYTES}."
        )
    return key
