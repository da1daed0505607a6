"""From a URL to a store that has shown that it works."""

import contextlib
from collections.abc import Callable

from telamon.blobs.address import FolderAddress, S3Address, StoreCredentials, parse_address
from telamon.blobs.base import BlobNotFound, BlobStore
from telamon.blobs.local import LocalBlobStore
from telamon.blobs.s3 import S3BlobStore
from telamon.blobs.s3_failures import StoreRefused
from telamon.errors import ConfigurationError, TelamonError, Unavailable

PROBE_PREFIX = "probe-"
"""Begins the keys of blobs that ``probe`` puts and takes away; a crash may leave one."""

_SETTING = "TELAMON_REPOSITORY_URL"
_PROBE_RETRIES = 2
_PROBE_NAME_BYTES = 16


def open_store(
    url: str, credentials: StoreCredentials, random: Callable[[int], bytes]
) -> BlobStore:
    """The store that ``url`` names, as ``parse_address`` reads it; an object store is probed.

    Raises ConfigurationError for what a person must change (the URL, the keys, the bucket, rights,
    a clock), and Unavailable if the store does not answer within some seconds.
    """
    try:
        address = parse_address(url)
    except ValueError as error:
        raise ConfigurationError(f"{_SETTING}: {error}.") from error
    if isinstance(address, FolderAddress):
        return LocalBlobStore(address.path)
    return _open_bucket(address, credentials, random)


def probe(store: BlobStore, random: Callable[[int], bytes]) -> None:
    """Find out whether a store can be listed, written and read, and honours put-if-absent.

    Puts one blob of a name of its own, and deletes it again. Raises ConfigurationError if the
    store takes the same key twice, or does not answer with what was put.
    """
    name = random(_PROBE_NAME_BYTES).hex()
    key, content = f"{PROBE_PREFIX}{name}", name.encode()
    next(store.list(key), None)
    try:
        if not store.put(key, content) or not _holds(store, key, content):
            raise ConfigurationError("The object store does not keep what is put into it.")
        if store.put(key, content[::-1]) or not _holds(store, key, content):
            raise ConfigurationError(
                "The object store overwrites a blob that is there already, though it is told not "
                "to (If-None-Match): snapshots would not be safe in it. Use one that supports "
                "conditional writes."
            )
        store.delete(key)
        if _holds(store, key, content):
            raise ConfigurationError("The object store does not delete what is deleted from it.")
    except BaseException:
        with contextlib.suppress(TelamonError):  # the first error says more
            store.delete(key)
        raise


def _holds(store: BlobStore, key: str, content: bytes) -> bool:
    try:
        return store.get(key) == content
    except BlobNotFound:
        return False


def _open_bucket(
    address: S3Address, credentials: StoreCredentials, random: Callable[[int], bytes]
) -> BlobStore:
    if not credentials.access_key_id or not credentials.secret_access_key:
        raise ConfigurationError(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set for the object store that "
            f"{_SETTING} names."
        )
    try:
        # Whoever opens a store waits for it: a wrong endpoint is told soon.
        probe(S3BlobStore(address, credentials, random, retries=_PROBE_RETRIES), random)
    except (ConfigurationError, StoreRefused) as error:
        raise ConfigurationError(f"{_SETTING}: {error.message}") from error
    except Unavailable as error:
        raise Unavailable(f"{_SETTING}: {error.message}") from error
    return S3BlobStore(address, credentials, random)
