"""Blobs as objects of a bucket, over the protocol of Amazon S3.

Who stores a blob is decided by the server: a put carries ``If-None-Match: *``. Only a put in one
request can, so a blob is never sent in parts.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from obstore.exceptions import AlreadyExistsError, GenericError
from obstore.store import S3Store

from telamon.blobs.address import S3Address, StoreCredentials
from telamon.blobs.base import (
    BlobInfo,
    BlobNotFound,
    Data,
    check_key,
    check_range,
    folder_of,
    is_key,
    range_beyond_end,
)
from telamon.blobs.s3_failures import CONFLICT, RANGE_BEYOND_END, answer_of, ask
from telamon.errors import Unavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Credential

T = TypeVar("T")

CONNECT_LIMIT = timedelta(seconds=5)
REQUEST_LIMIT = timedelta(minutes=5)
"""From the connection to the last byte: a pack of 64 MiB at 220 KB/s, about 2 Mbit/s.

A limit on silence alone does not exist for puts: the client counts the time in which it sends.
"""
RETRY_LIMIT = timedelta(minutes=2)
"""No request is tried again that long after its beginning."""
MOST_RETRIES = 10
"""Each after a wait of 0.1 s up to thrice the last one, at most 15 s, chosen at random.

A server that refuses connections was given up after 3 to 46 s, half the time within 14 s; with
obstore's own growth, up to twice the last wait, after 1 to 7 s. Tried again is what ended with
a 5xx status or a lost connection; what ran out of time, only if it reads.
"""

_FIRST_WAIT = timedelta(milliseconds=100)
_LONGEST_WAIT = timedelta(seconds=15)
_CONFLICTING_PUTS = 5
_PAGE_KEYS = 1000
_LARGEST_OFFSET = 2**63 - 1
_MARK = "telamon-put"
_MARK_BYTES = 16


class S3BlobStore:
    """A ``BlobStore`` in a bucket whose server honours conditional puts; ``probe`` finds out.

    A server that cannot be reached is Unavailable, and so is one that refuses, as StoreRefused.
    """

    def __init__(
        self,
        address: S3Address,
        credentials: StoreCredentials,
        random: Callable[[int], bytes],
        *,
        retries: int = MOST_RETRIES,
    ) -> None:
        self._address = address
        self._random = random
        self._store = _bucket(address, credentials, retries)

    def put(self, key: str, data: Data) -> bool:
        """As promised, in ``len(data)`` bytes of memory more if ``data`` are no ``bytes``."""
        check_key(key)
        body = data if isinstance(data, bytes) else memoryview(data).cast("B")
        mark = self._random(_MARK_BYTES).hex()
        for _ in range(_CONFLICTING_PUTS):
            stored = self._ask("write", key, lambda: self._create(key, body, mark))
            if stored is not None:
                return stored or self._ask("read", key, lambda: self._mark(key)) == mark
        raise Unavailable(
            f"Cannot write {self._address}/{key}: others write or delete it at the same time."
        )

    def get(self, key: str) -> bytes:
        check_key(key)
        return self._ask("read", key, lambda: bytes(self._store.get(key).bytes()))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        check_range(start, length)
        check_key(key)
        end = start + length
        data = b""
        if length > 0 and end <= _LARGEST_OFFSET:  # the protocol has no range of nothing
            data = self._ask("read", key, lambda: self._range(key, start, end))
            if len(data) == length:
                return data
        size_bytes = self.size(key)
        if end > size_bytes:
            raise range_beyond_end(key, start, length, size_bytes)
        if len(data) != length:
            raise Unavailable(
                f"Cannot read {self._address}/{key}: {self._address.endpoint} answered with "
                f"{len(data)} bytes of the {length} from {start}."
            )
        return data

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """As promised; all of it is read before the first is yielded."""
        folder = folder_of(prefix)
        yield from self._ask("list", prefix, lambda: self._found(folder, prefix))

    def delete(self, key: str) -> None:
        check_key(key)
        try:
            self._ask("delete", key, lambda: self._store.delete(key))
        except BlobNotFound:
            return  # some servers say so, S3 does not

    def size(self, key: str) -> int:
        check_key(key)
        return self._ask("read", key, lambda: self._size(key))

    def _ask(self, verb: str, key: str, call: Callable[[], T]) -> T:
        return ask(call, verb, key, self._address)

    def _create(self, key: str, body: bytes | memoryview, mark: str) -> bool | None:
        """Whether this call stored it; None if the server cannot say who will have.

        False too if an earlier try of this call did, of which the answer was lost.
        """
        try:
            self._store.put(key, body, attributes={_MARK: mark}, mode="create", use_multipart=False)
        except AlreadyExistsError as error:
            return None if answer_of(error).status == CONFLICT else False
        return True

    def _mark(self, key: str) -> object:
        """What the put that stored the blob calls itself; None if the blob is gone."""
        try:
            return self._store.get(key, options={"head": True}).attributes.get(_MARK)
        except FileNotFoundError:
            return None

    def _range(self, key: str, start: int, end: int) -> bytes:
        """Fewer bytes, or none, where the blob ends."""
        try:
            return bytes(self._store.get_range(key, start=start, end=end))
        except GenericError as error:
            if answer_of(error).status == RANGE_BEYOND_END:
                return b""
            raise

    def _size(self, key: str) -> int:
        try:
            return self._store.head(key)["size"]
        except FileNotFoundError:
            # The answer to HEAD has no body: it may as well be the bucket that is not there.
            return self._store.get(key).meta["size"]

    def _found(self, folder: str, prefix: str) -> Sequence[BlobInfo]:
        """Sorted here: some servers go through folders, where ``a/b`` comes before ``a-b``.

        A page may be shorter than the server's, never longer, and only the pages between the
        prefix and what follows it are read.
        """
        first = prefix.rpartition("/")[2]
        pages = self._store.list(
            folder or None, offset=prefix[:-1] if len(first) > 1 else None, chunk_size=_PAGE_KEYS
        )
        found = []
        for entry in itertools.chain.from_iterable(pages):
            key = entry["path"]
            segment = key[len(folder) :].lstrip("/").partition("/")[0]
            if segment > first and not segment.startswith(first):
                break
            if key.startswith(prefix) and is_key(key):
                found.append(BlobInfo(key=key, size_bytes=entry["size"]))
        return sorted(found, key=lambda info: info.key)


def _bucket(address: S3Address, credentials: StoreCredentials, retries: int) -> S3Store:
    """The client, told everything that obstore would otherwise take from the environment."""
    endpoint = address.endpoint
    if not address.path_style:
        endpoint = endpoint.replace("://", f"://{address.bucket}.", 1)

    def keys() -> "S3Credential":
        return {
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key,
            "token": credentials.session_token or None,
            "expires_at": None,
        }

    config: S3Config = {
        "endpoint": endpoint,
        "aws_endpoint_url_s3": endpoint,
        "region": address.region,
        "virtual_hosted_style_request": not address.path_style,
        "conditional_put": "etag",
        # The server compares what arrived with it, and buckets with a lock on objects demand it.
        "checksum_algorithm": "SHA256",
        "disable_bulk_delete": True,
        "skip_signature": False,
        "unsigned_payload": False,
        "s3_express": False,
        "request_payer": False,
    }
    client: ClientConfig = {
        "allow_http": address.endpoint.startswith("http://"),
        "connect_timeout": CONNECT_LIMIT,
        "timeout": REQUEST_LIMIT,
    }
    retry: RetryConfig = {
        "max_retries": retries,
        "retry_timeout": RETRY_LIMIT,
        "backoff": {"init_backoff": _FIRST_WAIT, "max_backoff": _LONGEST_WAIT, "base": 3},
    }
    return S3Store(
        address.bucket,
        prefix=address.prefix or None,
        config=config,
        client_options=client,
        retry_config=retry,
        credential_provider=keys,
    )
