"""Where a store is, written as a URL, and what signs requests to it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_PREFIX_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
_PREFIX_LIMIT_BYTES = 500  # with a slash and the longest key no more than the 1024 of S3
_DEFAULT_REGION = "us-east-1"
_WHOLE_ANSWERS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderAddress:
    """A directory of this machine."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Address:
    """A bucket, and the part of it below ``prefix`` (no slash at its ends; "" is all of it)."""

    bucket: str
    prefix: str
    endpoint: str
    """Scheme, host and port of the server, without the bucket and without a last slash."""
    region: str
    path_style: bool
    """Whether the bucket is asked for in the path, or as the first part of the host's name."""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCredentials:
    """What requests to an object store are signed with; empty where nothing is known."""

    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    """Belongs to keys that expire; empty for those that do not."""


def parse_address(url: str) -> FolderAddress | S3Address:
    """The address that a URL names.

    ``file:///absolute/path``, or ``s3://bucket/prefix`` with any of ``endpoint``, ``region`` and
    ``path-style`` in its query. Raises ``ValueError`` with what must be otherwise; it never
    repeats the URL, which may hold a password that has no business there.
    """
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "must hold no name or password: keys are read from AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
    if parts.fragment:
        raise ValueError("must have no part behind a #")
    if parts.scheme == "file":
        return _folder(parts.netloc, parts.path, parts.query)
    if parts.scheme == "s3":
        return _bucket(parts.netloc, parts.path, parts.query)
    raise ValueError("must begin with s3:// or file:///")


def _folder(host: str, path: str, query: str) -> FolderAddress:
    if host or not path.startswith("/") or query:
        raise ValueError("must be file:// and an absolute path, as in file:///srv/backups")
    return FolderAddress(path=Path(unquote(path)))


def _bucket(bucket: str, path: str, query: str) -> S3Address:
    if _BUCKET.fullmatch(bucket) is None:
        raise ValueError("must name a bucket, as in s3://bucket/prefix")
    prefix = path.strip("/")
    if prefix and not _is_prefix(prefix):
        raise ValueError(
            f"must have a prefix of at most {_PREFIX_LIMIT_BYTES} letters, digits and any of ._-, "
            "in parts between single slashes"
        )
    options = dict(parse_qsl(query, keep_blank_values=True))
    region = options.pop("region", "") or _DEFAULT_REGION
    endpoint = _web_server(options.pop("endpoint", "") or f"https://s3.{region}.amazonaws.com")
    path_style = _WHOLE_ANSWERS.get(options.pop("path-style", "true"))
    if path_style is None:
        raise ValueError("must say path-style=true or path-style=false")
    if options:
        raise ValueError("may have endpoint, region and path-style behind its ?, nothing else")
    return S3Address(
        bucket=bucket, prefix=prefix, endpoint=endpoint, region=region, path_style=path_style
    )


def _is_prefix(prefix: str) -> bool:
    return len(prefix) <= _PREFIX_LIMIT_BYTES and all(
        _PREFIX_SEGMENT.fullmatch(segment) is not None and segment not in (".", "..")
        for segment in prefix.split("/")
    )


def _web_server(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must have an endpoint like https://host:port")
    if parts.query or parts.fragment or parts.port == 0:  # reading a wrong port raises ValueError
        raise ValueError("must have an endpoint like https://host:port")
    return endpoint.rstrip("/")
