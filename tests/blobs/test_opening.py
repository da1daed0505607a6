"""From a URL to a store, and what is refused on the way."""

import secrets
from pathlib import Path

import pytest

from telamon.blobs.address import StoreCredentials
from telamon.blobs.base import BlobStore
from telamon.blobs.local import LocalBlobStore
from telamon.blobs.memory import MemoryBlobStore
from telamon.blobs.opening import open_store, probe
from telamon.errors import ConfigurationError, Unavailable
from tests.blobs.faulty import Fail, FaultyStore, HalfPut, LostPut
from tests.blobs.s3_proxy import S3Proxy
from tests.blobs.servers import CREDENTIALS, S3Server
from tests.blobs.test_s3 import said

NO_KEYS = StoreCredentials()


def open_(url: str, credentials: StoreCredentials = CREDENTIALS) -> BlobStore:
    return open_store(url, credentials, secrets.token_bytes)


def refusal(url: str, credentials: StoreCredentials = CREDENTIALS) -> str:
    with pytest.raises(ConfigurationError) as caught:
        open_(url, credentials)
    return caught.value.message


def store_refusal(url: str, credentials: StoreCredentials = CREDENTIALS) -> str:
    """Of a store that was asked; what is behind the setting's name."""
    name, _, message = refusal(url, credentials).partition(": ")
    assert name == "TELAMON_REPOSITORY_URL"
    return message


@pytest.fixture
def url(moto: S3Server, proxy: S3Proxy) -> str:
    return S3Server(proxy.endpoint, moto.bucket).url("the/prefix")


def test_a_folder_is_opened_without_keys_and_not_made(tmp_path: Path) -> None:
    store = open_((tmp_path / "a b").as_uri(), NO_KEYS)

    assert isinstance(store, LocalBlobStore)
    assert list(tmp_path.iterdir()) == []
    store.put("config", b"hello")
    assert (tmp_path / "a b" / "config").read_bytes() == b"hello"


@pytest.mark.parametrize("url", ["", "gs://bucket/prefix", "/srv/backups", "C:\\backups", "s3:x"])
def test_another_kind_of_url_is_refused_by_the_settings_name(url: str) -> None:
    assert refusal(url).startswith("TELAMON_REPOSITORY_URL: must ")


@pytest.mark.parametrize(
    "credentials",
    [
        NO_KEYS,
        StoreCredentials(access_key_id="AKID"),
        StoreCredentials(secret_access_key="secret"),
    ],
)
def test_a_bucket_without_keys_is_refused(credentials: StoreCredentials, url: str) -> None:
    assert refusal(url, credentials) == (
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set for the object store that "
        "TELAMON_REPOSITORY_URL names."
    )


def test_a_bucket_that_is_opened_is_tried_and_left_as_it_was(url: str, proxy: S3Proxy) -> None:
    store = open_(url)

    assert list(store.list("")) == []
    assert {request.method for request in proxy.requests} == {"GET", "HEAD", "PUT", "DELETE"}


def test_a_store_that_overwrites_is_refused_and_left_as_it_was(url: str, proxy: S3Proxy) -> None:
    """The proxy takes If-None-Match away, so that the server behind it does what it never should."""
    proxy.strips_conditions = True

    assert store_refusal(url) == (
        "The object store overwrites a blob that is there already, though it is told not to "
        "(If-None-Match): snapshots would not be safe in it. Use one that supports conditional "
        "writes."
    )

    proxy.strips_conditions = False
    assert list(open_(url).list("")) == []


@pytest.mark.parametrize("fault", [LostPut(), HalfPut()])
def test_a_store_that_does_not_keep_what_is_put_is_refused(fault: LostPut | HalfPut) -> None:
    inner = MemoryBlobStore()

    with pytest.raises((ConfigurationError, Unavailable)):
        probe(FaultyStore(inner, fault), secrets.token_bytes)

    assert list(inner.list("")) == []


def test_a_store_that_does_not_delete_is_refused() -> None:
    class Keeping(FaultyStore):
        def delete(self, key: str) -> None:
            """Says it did."""

    with pytest.raises(ConfigurationError, match="does not delete"):
        probe(Keeping(MemoryBlobStore()), secrets.token_bytes)


@pytest.mark.parametrize("fault", [Fail("get"), Fail("put", nth=2), Fail("delete")])
def test_a_probe_that_fails_takes_its_blob_away(fault: Fail) -> None:
    inner = MemoryBlobStore()

    with pytest.raises(Unavailable, match="the test says so"):
        probe(FaultyStore(inner, fault), secrets.token_bytes)

    assert list(inner.list("")) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_right_that_is_missing_is_named(method: str, url: str, proxy: S3Proxy) -> None:
    proxy.answer(method, 403, said("AccessDenied"))

    message = store_refusal(url)

    assert "the/prefix/" in message
    assert message.endswith(
        ": the key may not do that; it needs s3:ListBucket on the bucket, and s3:GetObject, "
        "s3:PutObject and s3:DeleteObject on what is in it."
    )


def test_a_bucket_that_is_not_there_is_named(moto: S3Server) -> None:
    message = store_refusal(f"s3://nobodys/prefix?endpoint={moto.endpoint}")

    assert message.startswith("Cannot list s3://nobodys/prefix/probe-")
    assert message.endswith(": there is no such bucket; create it first, or correct the URL.")


def test_a_clock_that_is_wrong_is_named(url: str, proxy: S3Proxy) -> None:
    proxy.answer("GET", 403, said("RequestTimeTooSkewed"))

    assert store_refusal(url).endswith(
        ": the clock of this machine and the store's are too far apart for it to trust a "
        "signature; set the clock that is wrong."
    )


def test_a_server_that_is_not_there_is_told_within_seconds() -> None:
    """After two more tries: whoever mistyped the endpoint is waiting."""
    with pytest.raises(
        Unavailable,
        match=r"^TELAMON_REPOSITORY_URL: .*http://127\.0\.0\.1:1 does not answer: Connection re",
    ):
        open_("s3://bucket/prefix?endpoint=http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("credentials", "told"),
    [
        (StoreCredentials(access_key_id="NOBODY", secret_access_key="x"), "does not know the acc"),
        (
            StoreCredentials(
                access_key_id=CREDENTIALS.access_key_id, secret_access_key="another secret"
            ),
            "does not accept the signature",
        ),
    ],
)
@pytest.mark.xdist_group("weed")
def test_wrong_keys_are_refused_by_a_server_that_checks_them(
    credentials: StoreCredentials, told: str, seaweedfs: S3Server
) -> None:
    message = store_refusal(seaweedfs.url(), credentials)

    assert told in message
    assert credentials.secret_access_key not in message
