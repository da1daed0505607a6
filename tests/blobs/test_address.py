"""Where a store is, written as a URL."""

from pathlib import Path

import pytest

from telamon.blobs.address import FolderAddress, S3Address, StoreCredentials, parse_address


def s3(**changes: str | bool) -> S3Address:
    parts: dict[str, str | bool] = {
        "bucket": "backups",
        "prefix": "",
        "endpoint": "https://s3.us-east-1.amazonaws.com",
        "region": "us-east-1",
        "path_style": True,
    }
    return S3Address(**{**parts, **changes})  # type: ignore[arg-type]  # as the table has them


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///srv/backups", FolderAddress(path=Path("/srv/backups"))),
        ("file:///srv/a%20b", FolderAddress(path=Path("/srv/a b"))),
        ("s3://backups", s3()),
        ("s3://backups/", s3()),
        ("s3://backups/a/B_c/", s3(prefix="a/B_c")),
        (
            "s3://backups?region=eu-west-1",
            s3(region="eu-west-1", endpoint="https://s3.eu-west-1.amazonaws.com"),
        ),
        (
            "s3://backups/p?endpoint=http://127.0.0.1:9000&region=garage",
            s3(prefix="p", endpoint="http://127.0.0.1:9000", region="garage"),
        ),
        ("s3://backups?endpoint=https%3A%2F%2Fx%2Fs3%2F", s3(endpoint="https://x/s3")),
        ("s3://backups?path-style=false", s3(path_style=False)),
        ("s3://backups?endpoint=&region=", s3()),
    ],
)
def test_a_url_names_a_place(url: str, expected: FolderAddress | S3Address) -> None:
    assert parse_address(url) == expected


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "must begin with s3:// or file:///"),
        ("gs://backups", "must begin with s3:// or file:///"),
        ("file://srv/backups", "must be file:// and an absolute path"),
        ("file:backups", "must be file:// and an absolute path"),
        ("file:///srv?x=1", "must be file:// and an absolute path"),
        ("s3:///prefix", "must name a bucket"),
        ("s3://ab", "must name a bucket"),
        ("s3://a_b-/x", "must name a bucket"),
        ("s3://backups/a//b", "must have a prefix"),
        ("s3://backups/../b", "must have a prefix"),
        ("s3://backups/a%20b", "must have a prefix"),
        ("s3://backups/" + "a" * 501, "must have a prefix"),
        ("s3://backups/a#b", "must have no part behind a #"),
        ("s3://backups?endpoint=127.0.0.1:9000", "must have an endpoint like"),
        ("s3://backups?endpoint=ftp://x", "must have an endpoint like"),
        ("s3://backups?endpoint=http://", "must have an endpoint like"),
        ("s3://backups?endpoint=http://x:0", "must have an endpoint like"),
        ("s3://backups?endpoint=http://x:99999", "Port out of range"),
        ("s3://backups?endpoint=http://u:hunter2@x", "must have an endpoint like"),
        ("s3://backups?path-style=yes", "must say path-style=true or path-style=false"),
        ("s3://backups?Region=x", "may have endpoint, region and path-style"),
        ("s3://backups?secret_access_key=hunter2", "may have endpoint, region and path-style"),
        ("s3://key:hunter2@backups/a", "must hold no name or password"),
        ("s3://hunter2@backups/a", "must hold no name or password"),
    ],
)
def test_a_url_that_names_no_place_is_refused_and_not_repeated(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        parse_address(url)

    assert "hunter2" not in str(caught.value)


def test_an_address_is_shown_as_people_write_it() -> None:
    assert str(s3()) == "s3://backups"
    assert str(s3(prefix="a/b")) == "s3://backups/a/b"


def test_no_secret_is_in_the_repr_of_credentials() -> None:
    credentials = StoreCredentials(
        access_key_id="AKID", secret_access_key="hunter2", session_token="hunter3"
    )

    assert repr(credentials) == "StoreCredentials(access_key_id='AKID')"
