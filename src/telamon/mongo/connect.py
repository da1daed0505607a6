"""Connections to deployments, and PyMongo's errors in Telamon's words.

No message made here carries a URI: a URI may carry a password.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.uri_parser import parse_uri

from telamon.errors import DeploymentRefused, DeploymentUnavailable, TelamonError

Client = MongoClient[dict[str, Any]]

UNAUTHORIZED = 13
AUTHENTICATION_FAILED = 18
_SELECTION_SECONDS = 10.0
_SCHEMES = ("mongodb://", "mongodb+srv://")
_NO_URI = "its URI is not a valid MongoDB connection string."


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What a deployment says of itself."""

    mongodb_version: str
    feature_compatibility_version: str
    replica_set: str | None
    """None for a standalone mongod, which has no history of its writes."""


@contextmanager
def connected(uri: str, *, selection_seconds: float = _SELECTION_SECONDS) -> Iterator[Client]:
    """A client for ``uri``, closed at the end of the block. Writes are not retried by the driver.

    Raises DeploymentRefused for a URI that cannot be read. PyMongo's errors inside the block
    come out as Telamon's.
    """
    with translated():
        client = open_client(uri, selection_seconds=selection_seconds)
        try:
            yield client
        finally:
            client.close()


def open_client(uri: str, *, selection_seconds: float = _SELECTION_SECONDS) -> Client:
    """As ``connected``, for a caller who closes it."""
    milliseconds = round(selection_seconds * 1000)
    if not uri.startswith(_SCHEMES):
        raise DeploymentRefused(_NO_URI)  # the driver would take it for the name of a host
    try:
        return pymongo.MongoClient(
            uri,
            appname="telamon",
            retryWrites=False,  # a retry would hide that the server restarted in between
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
        )
    except (InvalidURI, ConfigurationError, ValueError, OSError):
        # The driver's own text may quote the URI, or a file that it names.
        raise DeploymentRefused(_NO_URI) from None


@contextmanager
def translated(
    refused: type[TelamonError] = DeploymentUnavailable, what: str = "The deployment refused"
) -> Iterator[None]:
    """PyMongo's errors leave the block as DeploymentUnavailable where no answer came.

    A refusal comes out as ``refused``, with a message that begins with ``what``.
    """
    try:
        yield
    except AutoReconnect as error:
        raise DeploymentUnavailable(f"The deployment does not answer: {reason(error)}") from error
    except PyMongoError as error:
        raise refused(f"{what}: {reason(error)}") from error


def reason(error: PyMongoError) -> str:
    """A server's or driver's own sentence, without the reply that trails it."""
    text = str(error).partition(", full error:")[0].partition(", Timeout:")[0]
    return f"{text} (code {error.code})" if isinstance(error, OperationFailure) else text


def examine(client: Client) -> Deployment:
    """Version and kind of a deployment. Raises DeploymentRefused for one Telamon cannot protect."""
    hello = client.admin.command("hello")
    if hello.get("msg") == "isdbgrid":
        raise DeploymentRefused("it is a sharded cluster, which is not supported yet.")
    try:
        answer = client.admin.command("getParameter", 1, featureCompatibilityVersion=1)
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        raise DeploymentRefused(
            "its user may not read server parameters; give it the roles backup and restore."
        ) from error
    return Deployment(
        mongodb_version=str(client.server_info()["version"]),
        feature_compatibility_version=str(answer["featureCompatibilityVersion"]["version"]),
        replica_set=hello.get("setName"),
    )


def probe(uri: str, *, selection_seconds: float = 5.0) -> Deployment:
    """Connect once and examine. Every failure is a DeploymentRefused that says why.

    An option that the driver would only warn about is a failure, too.
    """
    try:
        if uri.startswith(_SCHEMES[0]):  # to read the other kind is to ask DNS
            parse_uri(uri, warn=False)
    except (InvalidURI, ConfigurationError, ValueError, OSError):
        raise DeploymentRefused(_NO_URI) from None
    try:
        with connected(uri, selection_seconds=selection_seconds) as client:
            return examine(client)
    except DeploymentRefused:
        raise
    except TelamonError as error:
        raise DeploymentRefused(error.message) from error


def without_credentials(uri: str) -> str:
    """Scheme and hosts of ``uri``: no user, no password, no option that could name them.

    Takes it apart as the driver does, which lets a password have characters that other readers of
    URIs take for the end of it.
    """
    scheme, _, rest = uri.partition("://")
    hosts = rest.partition("?")[0].partition("/")[0].rpartition("@")[2]
    return f"{scheme}://{hosts}/"
