"""What is particular to blobs in a bucket: lost answers, refusals, and what is never told."""

import secrets
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from telamon.blobs import s3
from telamon.blobs.address import S3Address, StoreCredentials, parse_address
from telamon.blobs.base import BlobInfo, BlobNotFound, BlobStore
from telamon.blobs.s3 import S3BlobStore
from telamon.blobs.s3_failures import StoreRefused
from telamon.errors import Unavailable
from tests.blobs.s3_proxy import S3Proxy
from tests.blobs.servers import S3Server, self_signed_server

LONG_AGO = "Mon, 23 Nov 2026 10:32:50 GMT"
TOKEN = "FwoGZXIvYXdzEPT//session+token=="
KEYS = StoreCredentials(
    access_key_id="AKIDEXAMPLE", secret_access_key="a/very+secret=key", session_token=TOKEN
)
CALLS: dict[str, Callable[[BlobStore], object]] = {
    "put": lambda store: store.put("packs/a", b"x"),
    "get": lambda store: store.get("packs/a"),
    "get_range": lambda store: store.get_range("packs/a", 0, 1),
    "list": lambda store: list(store.list("packs/a")),
    "delete": lambda store: store.delete("packs/a"),
    "size": lambda store: store.size("packs/a"),
}
VERBS = {"put": "write", "list": "list", "delete": "delete"}


def said(code: str) -> str:
    return f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>Words.</Message></Error>"


def address_of(server: S3Server, endpoint: str, prefix: str | None = None) -> S3Address:
    address = parse_address(server.url(prefix))
    assert isinstance(address, S3Address)
    return replace(address, endpoint=endpoint)


@pytest.fixture
def address(moto: S3Server, proxy: S3Proxy) -> S3Address:
    return address_of(moto, proxy.endpoint)


@pytest.fixture
def store(address: S3Address) -> S3BlobStore:
    return S3BlobStore(address, KEYS, secrets.token_bytes, retries=1)


def methods(proxy: S3Proxy) -> list[str]:
    return [request.method for request in proxy.requests]


# Puts


def test_a_blob_is_an_object_below_the_prefix(
    store: S3BlobStore, address: S3Address, moto: S3Server
) -> None:
    store.put("packs/a", b"hello")

    whole_bucket = S3BlobStore(address_of(moto, moto.endpoint, ""), KEYS, secrets.token_bytes)
    assert whole_bucket.get(f"{address.prefix}/packs/a") == b"hello"


def test_a_prefix_may_be_empty(moto: S3Server) -> None:
    store = S3BlobStore(address_of(moto, moto.endpoint, ""), KEYS, secrets.token_bytes)
    name = secrets.token_hex(8)
    store.put(f"{name}/a", b"12")

    assert list(store.list(f"{name}/")) == [BlobInfo(key=f"{name}/a", size_bytes=2)]


def test_a_put_of_64_mib_is_one_conditional_request(store: S3BlobStore, proxy: S3Proxy) -> None:
    data = bytes(64 << 20)

    assert store.put("packs/a", data) is True

    (request,) = proxy.requests
    assert request.method == "PUT"
    assert request.headers["if-none-match"] == "*"
    assert len(request.body) == 64 << 20


def test_a_put_of_which_the_answer_is_lost_answers_true(store: S3BlobStore, proxy: S3Proxy) -> None:
    """The second try finds the blob of the first."""
    proxy.lose_answer("PUT")

    assert store.put("config", b"hello") is True

    assert methods(proxy) == ["PUT", "PUT", "HEAD"]
    assert store.get("config") == b"hello"


def test_a_put_that_is_tried_again_behind_somebody_elses_answers_false(
    store: S3BlobStore, proxy: S3Proxy
) -> None:
    store.put("config", b"hello")
    proxy.lose_answer("PUT")

    assert store.put("config", b"hello") is False


def test_a_put_that_meets_another_is_sent_again(store: S3BlobStore, proxy: S3Proxy) -> None:
    """S3 answers so while it cannot know yet which of two will be first, or a delete is."""
    proxy.answer("PUT", 409, said("ConditionalRequestConflict"), times=2)

    assert store.put("config", b"hello") is True
    assert store.get("config") == b"hello"


def test_a_put_that_always_meets_another_is_no_answer(
    store: S3BlobStore, proxy: S3Proxy, address: S3Address
) -> None:
    proxy.answer("PUT", 409, said("ConditionalRequestConflict"), times=99)

    with pytest.raises(Unavailable) as caught:
        store.put("config", b"hello")

    assert caught.value.message == (
        f"Cannot write {address}/config: others write or delete it at the same time."
    )
    assert len(proxy.requests) == 5


# Reads


def test_a_range_that_is_cut_short_is_not_taken_for_the_blobs_end(
    store: S3BlobStore, proxy: S3Proxy, address: S3Address
) -> None:
    store.put("packs/a", b"0123456789")
    proxy.answer(
        "GET", 206, b"234", Content_Range="bytes 2-6/10", ETag='"x"', Last_Modified=LONG_AGO
    )

    with pytest.raises(Unavailable) as caught:
        store.get_range("packs/a", 2, 5)

    assert caught.value.message == (
        f"Cannot read {address}/packs/a: {address.endpoint} answered with 3 bytes of the 5 from 2."
    )


def test_a_range_that_is_another_than_asked_for_is_never_taken_for_it(
    store: S3BlobStore, proxy: S3Proxy
) -> None:
    store.put("packs/a", b"0123456789")
    proxy.answer(
        "GET", 206, b"34567", Content_Range="bytes 3-7/10", ETag='"x"', Last_Modified=LONG_AGO
    )

    with pytest.raises(Unavailable, match="sends answers that make no sense"):
        store.get_range("packs/a", 2, 5)


def test_a_certificate_that_is_not_trusted_is_told(address: S3Address, tmp_path: Path) -> None:
    with self_signed_server(tmp_path) as endpoint:
        store = S3BlobStore(
            replace(address, endpoint=endpoint), KEYS, secrets.token_bytes, retries=0
        )
        with pytest.raises(Unavailable, match="its certificate is not one that this machine"):
            store.get("packs/a")


def test_a_connection_that_breaks_is_told(store: S3BlobStore, proxy: S3Proxy) -> None:
    proxy.lose_answer("GET", times=99)

    with pytest.raises(Unavailable, match="does not answer: the connection broke"):
        store.get("packs/a")


def test_a_body_that_breaks_off_is_never_a_blob(store: S3BlobStore, proxy: S3Proxy) -> None:
    store.put("packs/a", b"0123456789")
    proxy.answer(
        "GET", 200, b"01234", times=99, Content_Length="10", ETag='"x"', Last_Modified=LONG_AGO
    )

    with pytest.raises(Unavailable):
        store.get("packs/a")


def test_objects_of_others_are_not_listed(
    store: S3BlobStore, address: S3Address, moto: S3Server
) -> None:
    store.put("packs/a", b"1")
    for name in ("Readme", "packs/b c", "packs/d.tmp"):
        httpx.put(f"{moto.endpoint}/{address.bucket}/{address.prefix}/{name}", content=b"1")

    assert [info.key for info in store.list("")] == ["packs/a"]


def test_a_listing_reads_no_further_than_its_prefix(
    store: S3BlobStore, proxy: S3Proxy, address: S3Address
) -> None:
    """The answer is a full page of a listing that goes on."""
    keys = ["config", *(f"packs/{number:03}" for number in range(999))]
    entries = "".join(
        f"<Contents><Key>{address.prefix}/{key}</Key><Size>1</Size>"
        "<LastModified>2026-11-23T10:32:50.000Z</LastModified></Contents>"
        for key in keys
    )
    proxy.answer(
        "GET",
        200,
        "<ListBucketResult><IsTruncated>true</IsTruncated>"
        f"<NextContinuationToken>x</NextContinuationToken>{entries}</ListBucketResult>",
    )

    assert [info.key for info in store.list("config")] == ["config"]

    (request,) = proxy.requests
    assert f"start-after={address.prefix}%2Fconfi&" in f"{request.path}&"


def test_an_empty_range_of_a_blob_is_looked_for(store: S3BlobStore) -> None:
    with pytest.raises(BlobNotFound):
        store.get_range("packs/a", 0, 0)


# Failures


@pytest.mark.parametrize("method", ["get", "get_range", "list", "delete", "size", "put"])
def test_what_fails_once_is_tried_again(method: str, store: S3BlobStore, proxy: S3Proxy) -> None:
    if method != "put":
        store.put("packs/a", b"x")
    for verb in ("GET", "PUT", "HEAD", "DELETE"):
        proxy.answer(verb, 503, said("SlowDown"))

    CALLS[method](store)


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (500, "InternalError", "{endpoint} answered 500 InternalError"),
        (503, "SlowDown", "{endpoint} answered 503 SlowDown"),
        (404, "", "{endpoint} answered 404"),
        (400, "", "{endpoint} answered 400"),
    ],
)
def test_a_store_that_fails_is_unavailable(
    method: str, *, status: int, code: str, told: str, store: S3BlobStore, proxy: S3Proxy
) -> None:
    """404 of no name may come from any web server that is not an object store."""
    _always(proxy, status, said(code) if code else "<html>No.</html>")

    with pytest.raises(Unavailable) as caught:
        CALLS[method](store)

    assert type(caught.value) is Unavailable
    assert caught.value.message.startswith(f"Cannot {VERBS.get(method, 'read')} s3://telamon/")
    if method != "size" or code == "":  # the answer to HEAD has no body, so no code
        assert caught.value.message.endswith(f": {told.format(endpoint=proxy.endpoint)}.")
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("method", ["put", "get", "get_range", "list", "delete"])
@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (403, "AccessDenied", "the key may not do that; it needs s3:ListBucket on the bucket"),
        (403, "InvalidAccessKeyId", "the store does not know the access key"),
        (403, "SignatureDoesNotMatch", "the store does not accept the signature"),
        (403, "RequestTimeTooSkewed", "the clock of this machine and the store's are too far"),
        (400, "ExpiredToken", "the keys have expired"),
        (400, "AuthorizationHeaderMalformed", "the bucket is in another region"),
        (301, "PermanentRedirect", "the bucket is in another region"),
        (404, "NoSuchBucket", "there is no such bucket"),
        (507, "", "the store has no room left"),
        (401, "", "the key may not do that"),
    ],
)
def test_a_refusal_says_what_to_change(
    method: str, *, status: int, code: str, told: str, store: S3BlobStore, proxy: S3Proxy
) -> None:
    _always(proxy, status, said(code))

    with pytest.raises(StoreRefused, match=f": {told}"):
        CALLS[method](store)


def test_a_size_that_is_refused_is_refused(store: S3BlobStore, proxy: S3Proxy) -> None:
    _always(proxy, 403, b"")

    with pytest.raises(StoreRefused, match="the key may not do that"):
        store.size("packs/a")


@pytest.mark.parametrize("method", CALLS)
def test_a_bucket_that_is_not_there_is_no_missing_blob(
    method: str, address: S3Address, moto: S3Server
) -> None:
    """Else a mistyped bucket would look like a repository that lost everything."""
    elsewhere = replace(address, bucket="nobodys")
    store = S3BlobStore(elsewhere, KEYS, secrets.token_bytes, retries=0)

    with pytest.raises(StoreRefused, match="there is no such bucket"):
        CALLS[method](store)


@pytest.mark.parametrize("method", CALLS)
def test_a_server_that_is_not_there_is_named(method: str, address: S3Address) -> None:
    nowhere = replace(address, endpoint="http://127.0.0.1:1")
    store = S3BlobStore(nowhere, KEYS, secrets.token_bytes, retries=0)

    with pytest.raises(Unavailable) as caught:
        CALLS[method](store)

    assert caught.value.message.endswith(
        ": http://127.0.0.1:1 does not answer: Connection refused."
    )


@pytest.mark.parametrize("method", ["put", "get"])
def test_a_server_that_says_nothing_is_not_waited_for_forever(
    method: str,
    address: S3Address,
    proxy: S3Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3, "REQUEST_LIMIT", s3.REQUEST_LIMIT / 1500)
    store = S3BlobStore(address, KEYS, secrets.token_bytes, retries=0)
    for verb in ("GET", "PUT"):
        proxy.hold(verb)

    with pytest.raises(Unavailable, match="does not answer: the time for a request ran out"):
        CALLS[method](store)


# Secrets and surroundings


@pytest.mark.parametrize("method", ["put", "get", "get_range", "list", "delete"])
def test_no_secret_is_in_an_error_or_in_what_led_to_it(
    method: str, store: S3BlobStore, proxy: S3Proxy
) -> None:
    """S3 repeats a request with a wrong signature in its answer, as text and as hex digits."""
    request = f"PUT\n/telamon\n\nx-amz-security-token:{TOKEN}\n"
    body = said("SignatureDoesNotMatch").replace(
        "Words.",
        f"</Message><CanonicalRequest>{request}</CanonicalRequest>"
        f"<CanonicalRequestBytes>{request.encode().hex(' ')}</CanonicalRequestBytes><Message>",
    )
    _always(proxy, 403, body)

    with pytest.raises(StoreRefused) as caught:
        CALLS[method](store)

    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__cause__)
    assert caught.value.__context__ is caught.value.__cause__ or caught.value.__context__ is None
    assert "SignatureDoesNotMatch" not in caught.value.message
    for secret in (TOKEN, TOKEN.encode().hex(" "), KEYS.secret_access_key):
        assert secret not in told


def test_the_cause_says_which_request_it_was(store: S3BlobStore, proxy: S3Proxy) -> None:
    _always(proxy, 403, said("AccessDenied"))

    with pytest.raises(StoreRefused) as caught:
        store.get("packs/a")

    assert f"GET {proxy.endpoint}/telamon/" in str(caught.value.__cause__)
    assert str(caught.value.__cause__).endswith("403 Forbidden")


def test_no_secret_is_in_a_repr(store: S3BlobStore) -> None:
    shown = repr(store) + repr(vars(store)) + repr(KEYS)

    assert TOKEN not in shown
    assert KEYS.secret_access_key not in shown


def test_the_environment_changes_nothing(
    address: S3Address, proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """obstore reads it by itself for whatever it is not told."""
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "moon-1",
        "AWS_DEFAULT_REGION": "moon-1",
        "AWS_ACCESS_KEY_ID": "AKIDOFSOMEBODY",
        "AWS_SECRET_ACCESS_KEY": "theirs",
        "AWS_SESSION_TOKEN": "theirs",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_UNSIGNED_PAYLOAD": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_S3_EXPRESS": "true",
        "AWS_REQUEST_PAYER": "true",
    }.items():
        monkeypatch.setenv(name, value)
    keys = replace(KEYS, session_token="")

    assert S3BlobStore(address, keys, secrets.token_bytes).put("config", b"hello") is True

    (request,) = proxy.requests
    assert request.path == f"/telamon/{address.prefix}/config"
    assert "Credential=AKIDEXAMPLE/" in request.headers["authorization"]
    assert "/us-east-1/s3/" in request.headers["authorization"]
    assert request.headers["if-none-match"] == "*"
    assert request.headers["x-amz-content-sha256"] != "UNSIGNED-PAYLOAD"
    assert not {"x-amz-security-token", "x-amz-request-payer"} & set(request.headers)


def test_a_session_token_is_sent(store: S3BlobStore, proxy: S3Proxy) -> None:
    store.put("config", b"hello")

    assert proxy.requests[0].headers["x-amz-security-token"] == TOKEN


def test_a_bucket_may_be_asked_for_in_the_hosts_name(proxy: S3Proxy) -> None:
    """127.0.0.1 is the bucket called 127 on the host 0.0.1."""
    address = parse_address(
        f"s3://127/p?path-style=false&endpoint={proxy.endpoint.replace('//127.', '//')}"
    )
    assert isinstance(address, S3Address)
    proxy.answer("GET", 404, said("NoSuchKey"))

    with pytest.raises(BlobNotFound):
        S3BlobStore(address, KEYS, secrets.token_bytes).get("config")

    assert proxy.requests[0].path == "/p/config"


def _always(proxy: S3Proxy, status: int, body: str | bytes) -> None:
    for verb in ("GET", "PUT", "HEAD", "DELETE"):
        proxy.answer(verb, status, body, times=99)
