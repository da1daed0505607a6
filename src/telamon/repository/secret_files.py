"""The files in which the owner of an encrypted repository keeps what opens it."""

import os
from collections.abc import Callable
from pathlib import Path

from telamon.errors import ConfigurationError
from telamon.repository.keys import RepositorySecret, SecretKind

KEY_FILE_BYTES = 32
"""Of the key; the file holds twice as many hexadecimal digits."""
_OTHERS = 0o077
_OWNER_ONLY = 0o600


def read_secret(
    *, passphrase_file: Path | None = None, key_file: Path | None = None
) -> RepositorySecret | None:
    """The secret in whichever file is named; None if neither is.

    Raises ConfigurationError if both are named, and for a file that cannot be read, can be read by
    others, or holds no secret.
    """
    if passphrase_file is not None and key_file is not None:
        raise ConfigurationError(
            "A repository is opened with a passphrase file or a key file, not with both."
        )
    if passphrase_file is not None:
        return _read_passphrase(passphrase_file)
    if key_file is not None:
        return _read_key(key_file)
    return None


def write_key_file(path: Path, random_bytes: Callable[[int], bytes]) -> RepositorySecret:
    """Make a key file that only its owner can read, on the disk when this returns.

    Raises ConfigurationError if there is a file, or none can be made.
    """
    key = random_bytes(KEY_FILE_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{key.hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigurationError(
            f"The key file {path} cannot be made: {error.strerror}."
        ) from error
    return RepositorySecret(kind=SecretKind.KEY_FILE, value=key)


def _read_passphrase(path: Path) -> RepositorySecret:
    """The first line, without its end."""
    passphrase = _read_private("passphrase", path).partition(b"\n")[0].removesuffix(b"\r")
    try:
        empty = not passphrase.decode().strip()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"The passphrase file {path} is not UTF-8.") from error
    if empty:
        raise ConfigurationError(f"The passphrase file {path} has an empty first line.")
    return RepositorySecret(kind=SecretKind.PASSPHRASE, value=passphrase)


def _read_key(path: Path) -> RepositorySecret:
    wrong = ConfigurationError(
        f"The key file {path} must hold {2 * KEY_FILE_BYTES} hexadecimal digits and nothing else."
    )
    try:
        key = bytes.fromhex(_read_private("key", path).decode().strip())
    except ValueError as error:
        raise wrong from error
    if len(key) != KEY_FILE_BYTES:
        raise wrong
    return RepositorySecret(kind=SecretKind.KEY_FILE, value=key)


def _read_private(kind: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except OSError as error:
        raise ConfigurationError(
            f"The {kind} file {path} cannot be read: {error.strerror}."
        ) from error
    if mode & _OTHERS:
        raise ConfigurationError(f"The {kind} file {path} can be read by others: chmod 600 it.")
    return content
